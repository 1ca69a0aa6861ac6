import type { Progress } from "../api/types";
import { useT } from "../i18n/messages";
import { overallFraction } from "./phases";

/** How far the present work has got, in one line. */
export function ProgressLine({ progress }: { progress: Progress }) {
  const t = useT();
  const fraction = overallFraction(progress);
  const text = [t(`phase.${progress.phase}`), progress.message].filter(Boolean).join(": ");
  return (
    <div className="progress-line">
      <progress value={fraction} max={1} aria-label={t("detail.progress")} />
      <span className="muted">{text}</span>
    </div>
  );
}
