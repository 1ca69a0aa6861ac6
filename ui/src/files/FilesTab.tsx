import { useVerb } from "../api/mutations";
import { VERBS } from "../api/types";
import { useT } from "../i18n/messages";
import { useDetail } from "../workspaces/WorkspaceDetailView";
import { FilesPanel } from "./FilesPanel";

/** A workspace's files; while it does not run, the way to make it. */
export function FilesTab() {
  const t = useT();
  const detail = useDetail();
  const verb = useVerb();
  if (detail.status === "running") return <FilesPanel key={detail.id} workspaceId={detail.id} />;
  const wake = VERBS[detail.status].find((one) => one === "start" || one === "resume");
  return (
    <div className="placeholder">
      <p>{t("files.stopped", { status: t(`status.${detail.status}`) })}</p>
      {wake && (
        <button
          type="button"
          className="button button-primary"
          onClick={() => verb.mutate({ verb: wake, workspace: detail })}
        >
          {t(`action.${wake}`)}
        </button>
      )}
    </div>
  );
}
