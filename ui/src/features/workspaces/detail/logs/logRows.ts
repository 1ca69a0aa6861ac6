import type { LogLine, Phase } from "../../../../api/types";
import { plainText } from "../../../../shared/ansi";

export type LogLevel = "plain" | "warning" | "error";

/** What a log shows: the beginning of a phase, a run of lines that say little each, or one line. */
export type LogRow =
  | { kind: "phase"; phase: Phase; at: string | null }
  | { kind: "fold"; id: number; lines: readonly LogLine[] }
  | { kind: "line"; id: number; line: LogLine; level: LogLevel };

const EVALUATING = /^(evaluating (file|derivation)|copying '"[^"]*"' to the store)/;
const FETCHING = /^(copying path|downloading|querying info|unpacking)|will be (fetched|copied)/;
const BUILDING = /^building '|derivations? will be built|^\s+\/nix\/store\/\S+\.drv$/;
const LEAST_FOLDED = 3;

/** The phase that a line belongs to; undefined for one that goes on with the phase before it. */
export function phaseOfLine({ source, text }: LogLine): Phase | undefined {
  if (source === "boot") return "boot";
  if (EVALUATING.test(text)) return "evaluate";
  if (FETCHING.test(text)) return "fetch";
  return BUILDING.test(text) ? "build" : undefined;
}

export function levelOf(text: string): LogLevel {
  const plain = plainText(text);
  if (/(^|\s)(error|fatal|failed):|^The build failed/i.test(plain)) return "error";
  return /(^|\s)warning:/i.test(plain) ? "warning" : "plain";
}

/** The lines as they are shown. `first` is the number of the first line: a line keeps its number when others fall out. */
export function rowsOf(lines: readonly LogLine[], first = 0): LogRow[] {
  const rows: LogRow[] = [];
  let phase: Phase | undefined;
  let folded: LogLine[] = [];
  let foldedAt = 0;
  const unfold = () => {
    if (folded.length >= LEAST_FOLDED) rows.push({ kind: "fold", id: foldedAt, lines: folded });
    else
      folded.forEach((line, index) =>
        rows.push({ kind: "line", id: foldedAt + index, line, level: "plain" }),
      );
    folded = [];
  };
  for (const [index, line] of lines.entries()) {
    const next = phaseOfLine(line);
    if (next !== "evaluate") unfold();
    if (next && next !== phase) {
      phase = next;
      rows.push({ kind: "phase", phase, at: line.at });
    }
    if (next === "evaluate") {
      if (folded.length === 0) foldedAt = first + index;
      folded.push(line);
    } else rows.push({ kind: "line", id: first + index, line, level: levelOf(line.text) });
  }
  unfold();
  return rows;
}
