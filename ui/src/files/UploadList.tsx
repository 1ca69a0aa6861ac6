import { useT } from "../i18n/messages";
import { bytes } from "../shared/format";
import { useStore } from "../shared/Store";
import { baseName, shown } from "./paths";
import { ConflictDialog } from "./ConflictDialog";
import type { Upload, UploadQueue } from "./UploadQueue";

/** How each upload does, and what to do where something of its name is there already. */
export function UploadList({ queue }: { queue: UploadQueue }) {
  const t = useT();
  const uploads = useStore(queue.state);
  if (uploads.length === 0) return null;
  return (
    <section className="upload-list" aria-label={t("files.uploading")}>
      <ul>
        {uploads.map((upload) => (
          <UploadRow key={upload.id} upload={upload} queue={queue} />
        ))}
      </ul>
      <button type="button" className="button button-small" onClick={() => queue.clear()}>
        {t("app.close")}
      </button>
      <ConflictDialog queue={queue} />
    </section>
  );
}

const button = (text: string, onClick: () => void) => (
  <button type="button" className="button button-small" onClick={onClick}>
    {text}
  </button>
);

function UploadRow({ upload, queue }: { upload: Upload; queue: UploadQueue }) {
  const t = useT();
  const { id, file, sent, state } = upload;
  const name = shown(baseName(upload.path));
  const isRunning = state === "sending" || state === "waiting";
  const isOpen = isRunning || state === "paused";
  return (
    <li className="upload" data-state={state}>
      <span>{name}</span>
      {isOpen && <progress value={file.size ? sent / file.size : 0} max={1} aria-label={name} />}
      {isOpen && (
        <span className="muted">
          {bytes(sent, t.locale)} / {bytes(file.size, t.locale)}
        </span>
      )}
      {state === "done" && <span className="change-added">{t("tasks.state.done")}</span>}
      {state === "failed" && <span className="field-problem">{upload.reason}</span>}
      {state === "conflict" && <span className="muted">{t("files.undecided")}</span>}
      {state === "cancelled" && <span className="muted">{t("files.cancelled")}</span>}
      {isRunning && button(t("files.pause"), () => queue.pause(id))}
      {(state === "paused" || state === "failed") && button(t("files.resume"), () => queue.resume(id))}
      {isOpen && button(t("app.cancel"), () => queue.cancel(id))}
      {state === "cancelled" && button(t("app.retry"), () => queue.retry(id, upload.replaces))}
    </li>
  );
}
