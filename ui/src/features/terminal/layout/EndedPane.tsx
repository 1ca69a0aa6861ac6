import { useT } from "../../../shared/i18n/messages";
import type { Remembered } from "../../../api/layouts";

interface EndedPaneProps {
  terminal: Remembered;
  /** How many others ended with it. */
  others: number;
  isBusy: boolean;
  onReopen: () => void;
  onReopenAll: () => void;
  onClose: () => void;
}

/** Stands in the place of a terminal that ended with its workspace: says what ran, and how to have one there again. */
export function EndedPane({ terminal, others, isBusy, onReopen, onReopenAll, onClose }: EndedPaneProps) {
  const t = useT();
  return (
    <div className="placeholder terminal-ended">
      <p>{t("terminal.endedByStop")}</p>
      {terminal.process && <p className="muted">{t("terminal.ranLast", { process: terminal.process })}</p>}
      <div className="form-actions">
        <button type="button" className="button button-primary" disabled={isBusy} onClick={onReopen}>
          {t("terminal.reopen")}
        </button>
        {others > 0 && (
          <button type="button" className="button" disabled={isBusy} onClick={onReopenAll}>
            {t("terminal.reopenAll")}
          </button>
        )}
        <button type="button" className="button" onClick={onClose}>
          {t("app.close")}
        </button>
      </div>
    </div>
  );
}
