import type { Direction, LayoutNode } from "../../../api/layouts";
import { isPane, terminalsOf } from "./layout";

/** A part of the room that there is, from 0 to 1. */
export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Divider {
  /** The neighbours, each by its first terminal. */
  first: string;
  second: string;
  /** In which direction what it divides lies. */
  direction: Direction;
  /** Where it lies, with no thickness. */
  at: Rect;
  /** How much of the whole room a step over the whole split is. */
  span: number;
  /** How much of the two neighbours the first one has, in percent of the split. */
  percent: number;
}

export interface Places {
  panes: ReadonlyMap<string, Rect>;
  dividers: readonly Divider[];
}

const WHOLE: Rect = { left: 0, top: 0, width: 1, height: 1 };

/** Where each terminal of a tab lies; in a room too narrow for two beside each other all lie below each other. */
export function placesOf(node: LayoutNode, isNarrow = false): Places {
  const panes = new Map<string, Rect>();
  const dividers: Divider[] = [];
  const put = (one: LayoutNode, room: Rect): void => {
    if (isPane(one)) {
      panes.set(one.terminal, room);
      return;
    }
    const { direction, parts } = one;
    const isRow = direction === "row";
    const total = parts.reduce((sum, { share }) => sum + share, 0);
    let done = 0;
    for (const [index, part] of parts.entries()) {
      const fraction = part.share / total;
      const rest = isRow
        ? { left: room.left + done * room.width, width: fraction * room.width }
        : { top: room.top + done * room.height, height: fraction * room.height };
      const own = { ...room, ...rest };
      put(part, own);
      done += fraction;
      const next = parts[index + 1];
      if (!next) continue;
      dividers.push({
        first: terminalsOf(part)[0] ?? "",
        second: terminalsOf(next)[0] ?? "",
        direction,
        at: isRow
          ? { left: own.left + own.width, top: room.top, width: 0, height: room.height }
          : { left: room.left, top: own.top + own.height, width: room.width, height: 0 },
        span: isRow ? room.width : room.height,
        percent: Math.round(fraction * 100),
      });
    }
  };
  if (isNarrow) {
    const ids = terminalsOf(node);
    for (const [index, id] of ids.entries()) {
      panes.set(id, { ...WHOLE, top: index / ids.length, height: 1 / ids.length });
    }
    return { panes, dividers };
  }
  put(node, WHOLE);
  return { panes, dividers };
}
