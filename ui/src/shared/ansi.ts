/** A piece of a line with the classes of its colours. */
export interface Span {
  text: string;
  classes: string;
}

// Colour sequences are kept, every other control sequence and control character is dropped.
/* oxlint-disable no-control-regex -- control characters are what it looks for */
const SEQUENCE =
  /\u001b\[([0-9;]*)m|\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b.|[\u0000-\u0008\u000b-\u001f\u007f]/g;
/* oxlint-enable no-control-regex */
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** A line without its control sequences. */
export const plainText = (line: string): string =>
  line.includes("\u001b") || line.includes("\r") ? line.replace(SEQUENCE, "") : line;

/** A line cut where its colours change; other control sequences do nothing. */
export function ansiSpans(line: string): Span[] {
  const spans: Span[] = [];
  let isBold = false;
  let colour = "";
  let from = 0;
  const push = (to: number) => {
    if (to <= from) return;
    const classes = [isBold && "ansi-bold", colour && `ansi-${colour}`].filter(Boolean).join(" ");
    spans.push({ text: line.slice(from, to), classes });
  };
  for (const match of line.matchAll(SEQUENCE)) {
    push(match.index);
    from = match.index + match[0].length;
    if (match[1] === undefined) continue;
    for (const code of match[1].split(";").map(Number)) {
      if (code === 0) {
        isBold = false;
        colour = "";
      } else if (code === 1) isBold = true;
      else if (code === 22) isBold = false;
      else if (code === 39) colour = "";
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) colour = COLOURS[code % 10] ?? "";
    }
  }
  push(line.length);
  return spans;
}
