import { useCallback, useState } from "react";
import { useT } from "../../../shared/i18n/messages";
import { bytes } from "../../../shared/format";

/** An image element runs no scripts and fetches nothing, also where it shows an SVG; what a file says of itself does not count. */
const PICTURES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  svg: "image/svg+xml",
};

export const pictureType = (name: string): string | undefined =>
  PICTURES[name.slice(name.lastIndexOf(".") + 1).toLowerCase()];

interface PictureProps {
  blob: Blob;
  type: string;
  name: string;
}

/** A picture, never larger than its place. */
export function Picture({ blob, type, name }: PictureProps) {
  const t = useT();
  const [facts, setFacts] = useState("");
  const [isBroken, setIsBroken] = useState(false);
  const shownIn = useCallback(
    (image: HTMLImageElement | null) => {
      if (!image) return undefined;
      const made = URL.createObjectURL(new Blob([blob], { type }));
      image.src = made;
      return () => URL.revokeObjectURL(made);
    },
    [blob, type],
  );
  if (isBroken) return <p className="placeholder">{t("files.noPicture")}</p>;
  return (
    <figure className="file-picture">
      <img
        ref={shownIn}
        alt={name}
        onError={() => setIsBroken(true)}
        onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
          setFacts(`${naturalWidth} × ${naturalHeight} · ${bytes(blob.size, t.locale)}`)
        }
      />
      <figcaption className="muted">{facts}</figcaption>
    </figure>
  );
}
