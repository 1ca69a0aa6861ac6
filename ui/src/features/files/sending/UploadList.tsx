import { files as texts } from "../../../shared/i18n/files.en";
import { memo, useMemo } from "react";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { bytes } from "../../../shared/format";
import { useStore } from "../../../shared/Store";
import { baseName, shown } from "../paths";
import { ConflictDialog } from "./ConflictDialog";
import { OPEN, type Upload, type UploadQueue, type UploadState } from "./UploadQueue";

addEnglish(texts);

/** What wants to be looked at comes first. */
const ORDER: readonly UploadState[] = [
  "conflict",
  "failed",
  "missing",
  "sending",
  "paused",
  "waiting",
  "cancelled",
  "done",
];

/** How the uploads do, all together and each; and what to do where something of its name is there already. */
export function UploadList({ queue }: { queue: UploadQueue }) {
  const t = useT();
  const uploads = useStore(queue.state);
  const sorted = useMemo(
    () => uploads.toSorted((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state)),
    [uploads],
  );
  if (uploads.length === 0) return null;
  const size = uploads.reduce((sum, upload) => sum + upload.size, 0);
  const sent = uploads.reduce((sum, upload) => sum + upload.sent, 0);
  const done = uploads.filter(({ state }) => state === "done").length;
  const isOpen = uploads.some(({ state }) => OPEN.has(state));
  const summary = t("files.uploaded", { done, count: uploads.length });
  return (
    <section className="upload-list" aria-label={t("files.uploading")}>
      <div className="upload-summary">
        <strong>{t("files.uploading")}</strong>
        <span className="muted">{summary}</span>
        <progress value={size > 0 ? sent / size : done / uploads.length} max={1} aria-label={summary} />
        {isOpen
          ? button(t("files.cancelAll"), () => queue.cancelAll())
          : button(t("app.close"), () => queue.clear())}
      </div>
      <ul>
        {sorted.map((upload) => (
          <UploadRow key={upload.id} upload={upload} queue={queue} />
        ))}
      </ul>
      <ConflictDialog queue={queue} />
    </section>
  );
}

const button = (text: string, onClick: () => void) => (
  <button type="button" className="button button-small" onClick={onClick}>
    {text}
  </button>
);

interface UploadRowProps {
  upload: Upload;
  queue: UploadQueue;
}

/** One of perhaps thousands: drawn anew only when it has changed. */
const UploadRow = memo(function UploadRow({ upload, queue }: UploadRowProps) {
  const t = useT();
  const { id, size, sent, state } = upload;
  const name = shown(baseName(upload.path));
  const isRunning = state === "sending" || state === "waiting";
  const isOpen = isRunning || state === "paused";
  const isCancelable = isOpen || state === "missing";
  return (
    <li className="upload" data-state={state}>
      <span>{name}</span>
      {isOpen && <progress value={size ? sent / size : 0} max={1} aria-label={name} />}
      {isOpen && (
        <span className="muted">
          {bytes(sent, t.locale)} / {bytes(size, t.locale)}
        </span>
      )}
      {state === "done" && <span className="change-added">{t("tasks.state.done")}</span>}
      {state === "waiting" && upload.reason && <span className="muted">{upload.reason}</span>}
      {state === "missing" && <span className="field-problem">{t("files.chooseAgain")}</span>}
      {state === "failed" && <span className="field-problem">{upload.reason}</span>}
      {state === "conflict" && <span className="muted">{t("files.undecided")}</span>}
      {state === "cancelled" && <span className="muted">{t("files.cancelled")}</span>}
      {isRunning && button(t("files.pause"), () => queue.pause(id))}
      {(state === "paused" || state === "failed") && button(t("files.resume"), () => queue.resume(id))}
      {isCancelable && button(t("app.cancel"), () => queue.cancel(id))}
      {state === "cancelled" && button(t("app.retry"), () => queue.retry(id, upload.replaces))}
    </li>
  );
});
