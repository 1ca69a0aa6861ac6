import type { WorkspaceDetail } from "../../../../api/types";
import { dateTime } from "../../../../shared/format";
import { idle as texts } from "../../../../shared/i18n/idle.en";
import { addEnglish, useT } from "../../../../shared/i18n/messages";

addEnglish(texts);

interface StopReasonPanelProps {
  reason: NonNullable<WorkspaceDetail["stop_reason"]>;
}

/** Who stopped or paused a workspace, why, and what was seen then. */
export function StopReasonPanel({ reason }: StopReasonPanelProps) {
  const t = useT();
  return (
    <section className="panel panel-notice">
      <h3>{t("idle.stopped")}</h3>
      <p>{t.said(reason.said, reason.sentence)}</p>
      {reason.seen.length > 0 && (
        <>
          <p className="muted">{t("idle.seen")}</p>
          <ul>
            {reason.seen.map((one) => (
              <li key={one.code + JSON.stringify(one.values)}>{t.said(one, one.code)}</li>
            ))}
          </ul>
        </>
      )}
      <p className="muted">{dateTime(reason.at, t.locale)}</p>
    </section>
  );
}
