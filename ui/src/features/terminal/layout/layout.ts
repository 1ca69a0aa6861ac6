import type { Direction, Layout, LayoutNode, Pane, Remembered, Split } from "../../../api/layouts";

export const NO_LAYOUT: Layout = { tabs: [], front: "", terminals: {}, boot: "" };
/** The service keeps no more splits within splits. */
export const MOST_DEPTH = 5;

/** A terminal as the workspace lists it. */
export interface Seen {
  id: string;
  name: string;
  process: string;
  cwd: string;
}

export type LayoutAction =
  /** The workspace's terminals were looked at; `boot` says when it was started. */
  | { type: "looked"; terminals: readonly Seen[]; boot: string }
  /** A terminal's own stream says how things stand with it, sooner than a list does. */
  | { type: "told"; terminal: Seen }
  | { type: "opened"; id: string; beside?: string | undefined; direction?: Direction | undefined }
  /** A new terminal takes the place of an ended one. */
  | { type: "reopened"; before: string; id: string }
  | { type: "closed"; id: string }
  | { type: "fronted"; id: string }
  /** The divider between two neighbours was moved; each is named by its first terminal. */
  | { type: "resized"; first: string; second: string; by: number }
  /** A tab was put at another place, counted from 0. */
  | { type: "moved"; id: string; to: number };

const LEAST = 0.1;
const NAME_LENGTH = 60;

export const isPane = (node: LayoutNode): node is Pane => "terminal" in node;

const isNode = (value: unknown): value is LayoutNode => {
  const node = value as Partial<Pane & Split> | null;
  if (typeof node !== "object" || node === null || typeof node.share !== "number") return false;
  if (typeof node.terminal === "string") return true;
  return Array.isArray(node.parts) && node.parts.length > 1 && node.parts.every(isNode);
};

export function isLayout(value: unknown): value is Layout {
  const layout = value as Partial<Layout> | null;
  return (
    Array.isArray(layout?.tabs) &&
    layout.tabs.every(isNode) &&
    typeof layout.front === "string" &&
    typeof layout.terminals === "object" &&
    typeof layout.boot === "string"
  );
}

/** The terminals of a place, from left to right and from top to bottom. */
export const terminalsOf = (node: LayoutNode): readonly string[] =>
  isPane(node) ? [node.terminal] : node.parts.flatMap(terminalsOf);

export const allOf = ({ tabs }: Pick<Layout, "tabs">): readonly string[] => tabs.flatMap(terminalsOf);

/** The tab that holds a terminal, or the last one. */
export const tabOf = (tabs: readonly LayoutNode[], id: string | undefined): LayoutNode | undefined =>
  tabs.find((tab) => id !== undefined && terminalsOf(tab).includes(id)) ?? tabs.at(-1);

const depthOf = (node: LayoutNode): number => (isPane(node) ? 0 : 1 + Math.max(...node.parts.map(depthOf)));

/** A place without those that `keeps` refuses; the others share their room. */
function pruned(node: LayoutNode, keeps: (id: string) => boolean): LayoutNode | null {
  if (isPane(node)) return keeps(node.terminal) ? node : null;
  const parts = node.parts.map((part) => pruned(part, keeps)).filter((part) => part !== null);
  const [only] = parts;
  if (!only) return null;
  if (parts.length === 1) return { ...only, share: node.share };
  return { ...node, parts: parts.flatMap((part) => liftedInto(node.direction, part)) };
}

/** What is split in the same direction as what it is in needs no place of its own. */
function liftedInto(direction: Direction, part: LayoutNode): readonly LayoutNode[] {
  if (isPane(part) || part.direction !== direction) return [part];
  const total = part.parts.reduce((sum, { share }) => sum + share, 0);
  return part.parts.map((one) => ({ ...one, share: (one.share / total) * part.share }));
}

function replaced(node: LayoutNode, id: string, by: (pane: Pane) => LayoutNode): LayoutNode {
  if (isPane(node)) return node.terminal === id ? by(node) : node;
  const parts = node.parts.flatMap((part) => liftedInto(node.direction, replaced(part, id, by)));
  return { ...node, parts };
}

function withOpened(before: Layout, id: string, beside?: string, direction: Direction = "row"): Layout {
  const isTab = before.tabs.some((one) => isPane(one) && one.terminal === id);
  // A look that was faster than the answer, here or in another window, gave it a tab: it goes where it was wanted.
  const isMisplaced = isTab && beside !== undefined && beside !== id && allOf(before).includes(beside);
  if (allOf(before).includes(id) && !isMisplaced) return { ...before, front: id };
  const layout = { ...before, tabs: before.tabs.filter((one) => !isPane(one) || one.terminal !== id) };
  const tab = layout.tabs.find((one) => beside !== undefined && terminalsOf(one).includes(beside));
  if (tab) {
    const split = replaced(tab, beside ?? "", (pane) => ({
      direction,
      share: pane.share,
      parts: [
        { ...pane, share: 1 },
        { terminal: id, share: 1 },
      ],
    }));
    if (depthOf(split) <= MOST_DEPTH) {
      return { ...layout, front: id, tabs: layout.tabs.map((one) => (one === tab ? split : one)) };
    }
  }
  return { ...layout, front: id, tabs: [...layout.tabs, { terminal: id, share: 1 }] };
}

function resized(node: LayoutNode, first: string, second: string, by: number): LayoutNode {
  if (isPane(node)) return node;
  const total = node.parts.reduce((sum, { share }) => sum + share, 0);
  const at = node.parts.findIndex((part, index) => {
    const next = node.parts[index + 1];
    return next && terminalsOf(part)[0] === first && terminalsOf(next)[0] === second;
  });
  const [left, right] = [node.parts[at], node.parts[at + 1]];
  if (at < 0 || !left || !right) {
    return { ...node, parts: node.parts.map((part) => resized(part, first, second, by)) };
  }
  const both = left.share + right.share;
  const least = Math.min(LEAST * total, both / 2);
  const share = Math.min(both - least, Math.max(least, left.share + by * total));
  const parts = node.parts.with(at, { ...left, share }).with(at + 1, { ...right, share: both - share });
  return { ...node, parts };
}

const remembered = ({ name, process, cwd }: Seen): Remembered => ({
  name,
  process: process.slice(0, NAME_LENGTH),
  cwd,
  ended: false,
});

/**
 * After a look at the workspace's terminals. One that is missing was closed, or its shell has ended; where the workspace
 * was started anew meanwhile, it ended with it, and its place is kept.
 */
function afterLook(layout: Layout, seen: readonly Seen[], boot: string): Layout {
  const there = new Set(seen.map(({ id }) => id));
  const isNewBoot = layout.boot !== "" && layout.boot !== boot;
  const terminals: Record<string, Remembered> = {};
  for (const id of allOf(layout)) {
    const before = layout.terminals[id];
    if (there.has(id)) continue;
    if (before?.ended) terminals[id] = before;
    else if (isNewBoot) terminals[id] = { name: "", process: "", cwd: "", ...before, ended: true };
  }
  for (const one of seen) terminals[one.id] = remembered(one);
  const tabs = layout.tabs.map((tab) => pruned(tab, (id) => id in terminals)).filter((tab) => tab !== null);
  const placed = new Set(tabs.flatMap(terminalsOf));
  const fresh = seen.filter(({ id }) => !placed.has(id)).map(({ id }) => ({ terminal: id, share: 1 }));
  const front = layout.front in terminals ? layout.front : "";
  return { tabs: [...tabs, ...fresh], front, terminals, boot };
}

const without = <T>(record: Readonly<Record<string, T>>, id: string): Record<string, T> => {
  const { [id]: _, ...rest } = record;
  return rest;
};

function moved(tabs: readonly LayoutNode[], id: string, to: number): readonly LayoutNode[] {
  const at = tabs.findIndex((tab) => terminalsOf(tab).includes(id));
  const tab = tabs[at];
  // A place before the first would be counted from the end.
  return tab ? tabs.toSpliced(at, 1).toSpliced(Math.max(0, to), 0, tab) : tabs;
}

/** The layout after an action; one that does not apply (any more) changes nothing. */
export function layoutAfter(layout: Layout, action: LayoutAction): Layout {
  switch (action.type) {
    case "looked":
      return afterLook(layout, action.terminals, action.boot);
    case "told": {
      const { terminal } = action;
      // One that is not placed yet is remembered with the look that places it; an ended one as it ended.
      const isPlaced = allOf(layout).includes(terminal.id);
      if (!isPlaced || layout.terminals[terminal.id]?.ended) return layout;
      return { ...layout, terminals: { ...layout.terminals, [terminal.id]: remembered(terminal) } };
    }
    case "opened":
      return withOpened(layout, action.id, action.beside, action.direction);
    case "reopened": {
      const { before, id } = action;
      const put = (pane: Pane) => ({ ...pane, terminal: id });
      const last = layout.terminals[before];
      return {
        ...layout,
        tabs: layout.tabs.map((tab) => replaced(tab, before, put)),
        front: layout.front === before ? id : layout.front,
        terminals: {
          ...without(layout.terminals, before),
          ...(last && { [id]: { ...last, ended: false } }),
        },
      };
    }
    case "closed":
      return {
        ...layout,
        tabs: layout.tabs.map((tab) => pruned(tab, (id) => id !== action.id)).filter((tab) => tab !== null),
        front: layout.front === action.id ? "" : layout.front,
        terminals: without(layout.terminals, action.id),
      };
    case "fronted":
      return layout.front === action.id ? layout : { ...layout, front: action.id };
    case "resized":
      return {
        ...layout,
        tabs: layout.tabs.map((tab) => resized(tab, action.first, action.second, action.by)),
      };
    case "moved":
      return { ...layout, tabs: moved(layout.tabs, action.id, action.to) };
  }
}
