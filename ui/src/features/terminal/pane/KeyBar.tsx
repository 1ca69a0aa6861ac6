import type { MessageKey } from "../../../shared/i18n/en";
import { useT } from "../../../shared/i18n/messages";
import type { BarKey } from "./barKeys";

const CAPS: Record<BarKey, string> = {
  Escape: "Esc",
  Tab: "Tab",
  Left: "←",
  Up: "↑",
  Down: "↓",
  Right: "→",
  Home: "terminal.cap.Home",
  End: "terminal.cap.End",
  PageUp: "terminal.cap.PageUp",
  PageDown: "terminal.cap.PageDown",
  "|": "|",
  "/": "/",
  "-": "-",
  "~": "~",
};
const KEYS = Object.keys(CAPS) as BarKey[];
const NAMED: Partial<Record<BarKey, MessageKey>> = {
  Escape: "terminal.key.Escape",
  Tab: "terminal.key.Tab",
  Left: "terminal.key.Left",
  Up: "terminal.key.Up",
  Down: "terminal.key.Down",
  Right: "terminal.key.Right",
  Home: "terminal.key.Home",
  End: "terminal.key.End",
  PageUp: "terminal.key.PageUp",
  PageDown: "terminal.key.PageDown",
};

interface KeyBarProps {
  isControl: boolean;
  onControl: () => void;
  onKey: (key: BarKey) => void;
  onPaste: () => void;
}

/** The keys that a touch keyboard lacks; shown where there is no other keyboard. */
export function KeyBar({ isControl, onControl, onKey, onPaste }: KeyBarProps) {
  const t = useT();
  const capOf = (key: BarKey): string => {
    const cap = CAPS[key];
    return cap.startsWith("terminal.") ? t(cap as MessageKey) : cap;
  };
  return (
    <div
      className="key-bar"
      role="toolbar"
      aria-label={t("terminal.keys")}
      // The focus stays in the terminal, and with it the touch keyboard.
      onPointerDown={(event) => event.preventDefault()}
    >
      <button type="button" className="key-button" aria-pressed={isControl} onClick={onControl}>
        {t("keys.control")}
      </button>
      {KEYS.map((key) => {
        const name = NAMED[key];
        return (
          <button key={key} type="button" className="key-button" onClick={() => onKey(key)}>
            <span aria-hidden={name !== undefined}>{capOf(key)}</span>
            {name && <span className="visually-hidden">{t(name)}</span>}
          </button>
        );
      })}
      <button type="button" className="key-button" onClick={onPaste}>
        {t("terminal.pasteYes")}
      </button>
    </div>
  );
}
