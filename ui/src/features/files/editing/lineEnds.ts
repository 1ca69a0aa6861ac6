import { invertedEffects } from "@codemirror/commands";
import {
  EditorState,
  type Extension,
  MapMode,
  type Range,
  RangeSet,
  RangeValue,
  StateEffect,
  StateField,
} from "@codemirror/state";

export type LineEnd = "\n" | "\r\n" | "\r";

/** What the editor does not show of a text file and has to write again as it was. */
export interface TextForm {
  /** Whether it begins with a byte order mark. */
  hasBom: boolean;
  /** How most of its lines end, and new ones do. */
  end: LineEnd;
}

/** A text as the editor takes it: without its mark, and with each line end that is unlike most of them by its place. */
export interface Parsed {
  doc: string;
  form: TextForm;
  /** Where lines end otherwise, by position in `doc`. */
  odd: readonly (readonly [number, LineEnd])[];
}

const BOM = "\uFEFF";
const ENDS = /\r\n|\r|\n/g;

/** Reads a text without losing how its lines end. */
export function parsed(text: string): Parsed {
  const hasBom = text.startsWith(BOM);
  const body = hasBom ? text.slice(1) : text;
  const found: { at: number; end: LineEnd }[] = [];
  const counts: Record<LineEnd, number> = { "\n": 0, "\r\n": 0, "\r": 0 };
  let shorter = 0;
  for (const { 0: end, index } of body.matchAll(ENDS)) {
    found.push({ at: index - shorter, end: end as LineEnd });
    counts[end as LineEnd] += 1;
    shorter += end.length - 1;
  }
  const most = (["\n", "\r\n", "\r"] as const).reduce((best, one) =>
    counts[one] > counts[best] ? one : best,
  );
  return {
    doc: body.replace(ENDS, "\n"),
    form: { hasBom, end: most },
    odd: found.flatMap(({ at, end }) => (end === most ? [] : [[at, end] as const])),
  };
}

class OddEnd extends RangeValue {
  // It belongs to the line break behind it: text that is typed before the break pushes it on, and it goes with the break.
  override mapMode = MapMode.TrackAfter;
  override startSide = 1;
  override endSide = 1;

  constructor(readonly end: LineEnd) {
    super();
  }

  override eq(other: RangeValue): boolean {
    return other instanceof OddEnd && other.end === this.end;
  }
}

const oddAt = (at: number, end: LineEnd): Range<OddEnd> => new OddEnd(end).range(at);

const restored = StateEffect.define<{ at: number; end: LineEnd }>({
  map: ({ at, end }, mapping) => ({ at: mapping.mapPos(at, 1), end }),
});

/** The line ends that are unlike most of their file. */
export const oddEnds = StateField.define<RangeSet<OddEnd>>({
  create: () => RangeSet.empty,
  update: (value, transaction) => {
    let next = transaction.docChanged ? value.map(transaction.changes) : value;
    for (const effect of transaction.effects) {
      if (effect.is(restored)) next = next.update({ add: [oddAt(effect.value.at, effect.value.end)] });
    }
    return next;
  },
});

/** Undoing the end of a line brings back how it ended. */
const undoable = invertedEffects.of(({ startState, changes, docChanged }) => {
  const lost: StateEffect<unknown>[] = [];
  if (!docChanged) return lost;
  changes.iterChangedRanges((from, to) => {
    startState.field(oddEnds).between(from, to, (at, _, { end }) => {
      if (at < to) lost.push(restored.of({ at, end }));
    });
  });
  return lost;
});

/** Keeps the odd line ends of a text through every change of it. */
export const keepsLineEnds = (odd: Parsed["odd"]): Extension => [
  oddEnds.init(() => RangeSet.of(odd.map(([at, end]) => oddAt(at, end)))),
  undoable,
];

/** The whole text as it is written: each line with its own end, the mark in front if there was one. */
export function written(state: EditorState, form: TextForm): string {
  const odd = new Map<number, LineEnd>();
  state.field(oddEnds).between(0, state.doc.length, (at, _, { end }) => void odd.set(at, end));
  const parts: string[] = form.hasBom ? [BOM] : [];
  for (let number = 1; number <= state.doc.lines; number += 1) {
    const line = state.doc.line(number);
    parts.push(line.text);
    if (number < state.doc.lines) parts.push(odd.get(line.to) ?? form.end);
  }
  return parts.join("");
}
