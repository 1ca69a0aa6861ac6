/** Asciicast, version 3, as the service writes it: bytes that are no UTF-8 stand in it as lone surrogates. */

export interface CastEvent {
  /** Since the beginning. */
  ms: number;
  code: string;
  data: string;
}

export interface CastCommand {
  ms: number;
  text: string;
}

export interface Cast {
  cols: number;
  rows: number;
  events: CastEvent[];
  milliseconds: number;
  /** Where the shell has marked them (OSC 133). */
  commands: CastCommand[];
}

const encoder = new TextEncoder();
const LONE = /([\udc80-\udcff])/u;

/** The bytes that the terminal printed. */
export function bytesOf(text: string): Uint8Array {
  if (!LONE.test(text)) return encoder.encode(text);
  const parts = text
    .split(LONE)
    .map((part, index) =>
      index % 2 === 1 ? Uint8Array.of(part.charCodeAt(0) - 0xdc00) : encoder.encode(part),
    );
  return joined(parts);
}

/** All of a recording's output. */
export const outputOf = (cast: Cast): Uint8Array =>
  joined(cast.events.filter(({ code }) => code === "o").map(({ data }) => bytesOf(data)));

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Reads a file; throws `SyntaxError` for one that is none. */
export function readCast(file: string): Cast {
  const [head = "", ...lines] = file.split("\n");
  const { term } = JSON.parse(head) as { term: { cols: number; rows: number } };
  let ms = 0;
  const events = lines.filter(Boolean).map((line) => {
    const [interval, code, data] = JSON.parse(line) as [number, string, string];
    ms += Math.round(interval * 1000);
    return { ms, code, data };
  });
  return { cols: term.cols, rows: term.rows, events, milliseconds: ms, commands: commandsOf(events) };
}

// oxlint-disable-next-line no-control-regex -- terminals speak in control characters
const MARK = /\u001b\]133;([A-D])[^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
const SEQUENCE =
  // oxlint-disable-next-line no-control-regex
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[\u0000-\u001f\u007f]/g;
const MOST_TEXT = 200;

/** What was run, at the time when it began. */
function commandsOf(events: readonly CastEvent[]): CastCommand[] {
  const found: CastCommand[] = [];
  let typed: string | null = null;
  let held = "";
  for (const { ms, code, data } of events) {
    if (code !== "o") continue;
    const text = held + data;
    let from = 0;
    for (const mark of text.matchAll(MARK)) {
      if (typed !== null) typed += text.slice(from, mark.index);
      from = mark.index + mark[0].length;
      if (mark[1] === "B") typed = "";
      else if (mark[1] === "C" && typed !== null) {
        found.push({ ms, text: typed.replace(SEQUENCE, "").trim().slice(0, MOST_TEXT) });
        typed = null;
      }
    }
    // A mark may come in two parts.
    const open = text.lastIndexOf("\u001b]133;");
    const cut = open >= from ? open : text.length;
    if (typed !== null) typed += text.slice(from, cut);
    held = text.slice(Math.max(cut, from));
  }
  return found;
}
