import { useT } from "../../../shared/i18n/messages";

/** Says that another window gave the terminal its size, and offers to take that over. */
export function SizedElsewhere({ size, onTakeOver }: { size: string; onTakeOver: () => void }) {
  const t = useT();
  return (
    <p className="terminal-size" role="status">
      {t("terminal.sizedElsewhere", { size })}
      <button type="button" className="button button-small" onClick={onTakeOver}>
        {t("terminal.takeOver")}
      </button>
    </p>
  );
}
