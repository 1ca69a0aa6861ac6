import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowLeft, Download } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { reasonOf } from "../api/mutations";
import { useT } from "../i18n/messages";
import { saveUrl } from "../shared/download";
import { bytes } from "../shared/format";
import { fileQuery, fileUrl, type FileContent } from "./api";
import { baseName, shown } from "./paths";

const CodeEditor = lazy(() => import("./CodeEditor"));

const LARGEST_TEXT = 2 << 20;
/** Only formats that cannot hold scripts; what a file says of itself does not count. */
const PICTURES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
};

/** One file: text in the editor, a picture as one, anything else to be downloaded. */
export function FileView({ workspaceId, path }: { workspaceId: string; path: string }) {
  const t = useT();
  const name = shown(baseName(path));
  const { data, error, isPending } = useQuery(fileQuery(workspaceId, path));
  const [tools, setTools] = useState<HTMLElement | null>(null);
  return (
    <div className="file-view">
      <div className="files-bar">
        <Link
          to="."
          search={({ file: _, ...rest }: Record<string, unknown>) => rest}
          className="icon-button"
          aria-label={t("files.parent")}
        >
          <ArrowLeft aria-hidden size={18} />
        </Link>
        <h3>{name}</h3>
        <div className="editor-tools" ref={setTools} />
        <button
          type="button"
          className="button button-small"
          onClick={() => saveUrl(name, fileUrl(workspaceId, path))}
        >
          <Download aria-hidden size={14} />
          {t("app.download")}
        </button>
      </div>
      {error && (
        <p className="placeholder" role="alert">
          {reasonOf(error)}
        </p>
      )}
      {isPending && <p className="placeholder muted">{t("app.loading")}</p>}
      {data && <Content workspaceId={workspaceId} path={path} content={data} name={name} tools={tools} />}
    </div>
  );
}

interface ContentProps {
  workspaceId: string;
  path: string;
  name: string;
  content: FileContent;
  /** Where the editor puts what is done with the text. */
  tools: HTMLElement | null;
}

function Content({ workspaceId, path, name, content, tools }: ContentProps) {
  const t = useT();
  const picture = PICTURES[name.slice(name.lastIndexOf(".") + 1).toLowerCase()];
  const { data: text, isPending } = useQuery({
    queryKey: ["decoded", path, content.etag],
    enabled: !picture && content.blob.size <= LARGEST_TEXT,
    gcTime: 0,
    queryFn: async () => decoded(await content.blob.arrayBuffer()),
  });
  if (picture) return <Picture blob={new Blob([content.blob], { type: picture })} name={name} />;
  if (content.blob.size > LARGEST_TEXT) {
    return <p className="placeholder">{t("files.tooLarge", { size: bytes(content.blob.size, t.locale) })}</p>;
  }
  if (isPending) return null;
  if (text === null || text === undefined) return <p className="placeholder">{t("files.binary")}</p>;
  return (
    <Suspense fallback={<p className="placeholder muted">{t("app.loading")}</p>}>
      <CodeEditor
        key={content.etag}
        workspaceId={workspaceId}
        path={path}
        name={name}
        text={text}
        etag={content.etag}
        tools={tools}
      />
    </Suspense>
  );
}

/** The text of bytes; null if they are none. */
function decoded(buffer: ArrayBuffer): string | null {
  if (new Uint8Array(buffer).includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(buffer);
  } catch {
    return null;
  }
}

function Picture({ blob, name }: { blob: Blob; name: string }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
    // The blob is made anew at each drawing; its file is what counts.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [name]);
  return url ? <img className="file-picture" src={url} alt={name} /> : null;
}
