import { files as texts } from "../../shared/i18n/files.en";
import { useDetail } from "../../api/detail";
import { NeedsRunning } from "../../api/NeedsRunning";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { FilesPanel } from "./FilesPanel";

addEnglish(texts);

/** A workspace's files; while it does not run, the way to make it. */
export function FilesTab() {
  const t = useT();
  const detail = useDetail();
  if (detail.status === "running") return <FilesPanel key={detail.id} workspaceId={detail.id} />;
  const status = t(`status.${detail.status}`);
  return <NeedsRunning workspace={detail} title={t("files.stopped", { status })} />;
}
