/** A key that touch keyboards lack or hide; those that move are sent as the program wants them. */
export type BarKey =
  | "Escape"
  | "Tab"
  | "Up"
  | "Down"
  | "Left"
  | "Right"
  | "Home"
  | "End"
  | "PageUp"
  | "PageDown"
  | "|"
  | "/"
  | "-"
  | "~";

/** Final letters of the sequences that change with the cursor mode. */
const MOVES: Partial<Record<BarKey, string>> = {
  Up: "A",
  Down: "B",
  Right: "C",
  Left: "D",
  Home: "H",
  End: "F",
};

/** What a key types; `isApplication` is the mode that full-screen programs switch on. */
export function typedBy(key: BarKey, isApplication: boolean): string {
  switch (key) {
    case "Escape":
      return "\u001b";
    case "Tab":
      return "\t";
    case "PageUp":
      return "\u001b[5~";
    case "PageDown":
      return "\u001b[6~";
    default: {
      const move = MOVES[key];
      return move ? `\u001b${isApplication ? "O" : "["}${move}` : key;
    }
  }
}

/** What a character becomes with Ctrl; what has no such meaning stays as it is. */
export function withControl(data: string): string {
  if (!/^[@-_a-z ]$/.test(data)) return data;
  return data === " " ? "\0" : String.fromCharCode(data.toUpperCase().charCodeAt(0) & 0x1f);
}
