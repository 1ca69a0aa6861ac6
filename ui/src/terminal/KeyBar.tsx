import { useT } from "../i18n/messages";

/** A key that touch keyboards lack; arrows are sent as the program wants them. */
export type BarKey = "Escape" | "Tab" | "Up" | "Down" | "Left" | "Right";

const SHOWN: Record<BarKey, string> = {
  Escape: "Esc",
  Tab: "Tab",
  Left: "←",
  Up: "↑",
  Down: "↓",
  Right: "→",
};
const ARROWS: Partial<Record<BarKey, string>> = { Up: "A", Down: "B", Right: "C", Left: "D" };

/** What a key types; `isApplication` is the mode that full-screen programs switch on. */
export function typedBy(key: BarKey, isApplication: boolean): string {
  if (key === "Escape") return "\u001b";
  if (key === "Tab") return "\t";
  return `\u001b${isApplication ? "O" : "["}${ARROWS[key]}`;
}

/** What a character becomes with Ctrl; what has no such meaning stays as it is. */
export function withControl(data: string): string {
  if (!/^[@-_a-z ]$/.test(data)) return data;
  return data === " " ? "\0" : String.fromCharCode(data.toUpperCase().charCodeAt(0) & 0x1f);
}

interface KeyBarProps {
  isControl: boolean;
  onControl: () => void;
  onKey: (key: BarKey) => void;
}

/** The keys that a touch keyboard lacks; shown where there is no other keyboard. */
export function KeyBar({ isControl, onControl, onKey }: KeyBarProps) {
  const t = useT();
  return (
    <div
      className="key-bar"
      role="toolbar"
      aria-label={t("terminal.keys")}
      // The focus stays in the terminal, and with it the touch keyboard.
      onPointerDown={(event) => event.preventDefault()}
    >
      <button type="button" className="key-button" aria-pressed={isControl} onClick={onControl}>
        Ctrl
      </button>
      {(Object.keys(SHOWN) as BarKey[]).map((key) => (
        <button key={key} type="button" className="key-button" onClick={() => onKey(key)}>
          <span aria-hidden>{SHOWN[key]}</span>
          <span className="visually-hidden">{t(`terminal.key.${key}`)}</span>
        </button>
      ))}
    </div>
  );
}
