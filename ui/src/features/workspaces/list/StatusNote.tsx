import type { Workspace } from "../../../api/types";
import { useNow } from "../../../shared/clock";
import { percent, shortAgo } from "../../../shared/format";
import { useT } from "../../../shared/i18n/messages";

/** What there is to say of a status: since when, how far, why. */
export function StatusNote({ workspace }: { workspace: Workspace }) {
  const t = useT();
  const now = useNow();
  const { status, progress, fault, started_at, last_accessed } = workspace;
  if (status === "error" && fault) {
    const reason = t.problem(fault);
    return (
      <span className="cell-note" title={reason}>
        {reason}
      </span>
    );
  }
  if (progress && (status === "creating" || status === "starting")) {
    const { phase, fraction } = progress;
    const far = fraction === null ? "" : ` · ${percent(fraction * 100, t.locale)}`;
    return (
      <span className="cell-note" title={t.said(progress.said, progress.message)}>
        {t(`phase.${phase}`)}
        {far}
      </span>
    );
  }
  const since = status === "running" ? started_at : status === "stopped" ? last_accessed : null;
  return <span className="cell-note">{since && shortAgo(since, now, t.locale)}</span>;
}
