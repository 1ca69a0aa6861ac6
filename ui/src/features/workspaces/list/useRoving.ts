import {
  type KeyboardEvent,
  type RefObject,
  useCallback,
  useEffect,
  useImperativeHandle,
  useRef,
  useState,
} from "react";
import type { Workspace } from "../../../api/types";
import { useShortcuts } from "../../../shared/shortcuts";

/** How long the making of a row may take after which it still takes the focus. */
const MAKING_MS = 2_000;

/** What is around the rows may lead into them. */
export interface RowsHandle {
  /** Puts the focus on the row at a place. */
  focusAt: (index: number) => void;
}

interface RovingOptions {
  shown: readonly Workspace[];
  /** The workspace whose page is open, by id or name. */
  openId: string | undefined;
  scroller: RefObject<HTMLElement | null>;
  /** Within an element with `data-id`, what takes the focus; the element itself where it is empty. */
  target: string;
  /** How many places the up and down keys go, and whether the left and right keys go one. */
  columns: number;
  page: number;
  scrollTo: (index: number) => void;
  onSelect: (workspace: Workspace) => void;
  onToggle: (id: string, isRange: boolean) => void;
  /** Somebody goes up from the first row. */
  onLeave: () => void;
  handle: RefObject<RowsHandle | null>;
}

/** One row of many has the Tab key's way to it; arrows, j and k move it, Enter opens, x selects. */
export function useRoving(options: RovingOptions) {
  const { shown, openId, scroller, handle } = options;
  const [movedTo, setMovedTo] = useState<string>();
  const at = (id: string | undefined) =>
    id === undefined ? -1 : shown.findIndex((one) => one.id === id || one.name === id);
  const latest = useRef(options);
  const awaited = useRef<{ id: string; until: number }>(undefined);
  const focusAwaited = useCallback(() => {
    const { id, until } = awaited.current ?? { id: "", until: 0 };
    const isWanted = performance.now() < until;
    const row = isWanted && latest.current.scroller.current?.querySelector<HTMLElement>(`[data-id="${id}"]`);
    const { target } = latest.current;
    if (row) (target ? row.querySelector<HTMLElement>(target) : row)?.focus({ preventScroll: true });
    if (row || !isWanted) awaited.current = undefined;
  }, []);
  useEffect(() => {
    latest.current = options;
    focusAwaited();
  });

  const focusAt = useCallback(
    (index: number) => {
      const workspace = latest.current.shown[index];
      if (!workspace) return;
      setMovedTo(workspace.id);
      latest.current.scrollTo(index);
      // The row may have to be made first: then it takes the focus once it is.
      awaited.current = { id: workspace.id, until: performance.now() + MAKING_MS };
      focusAwaited();
    },
    [focusAwaited],
  );
  useImperativeHandle(handle, () => ({ focusAt }), [focusAt]);

  /** The place of the row in which the focus is; -1 for none. */
  const focused = () => {
    const element = document.activeElement;
    if (!element || !scroller.current?.contains(element)) return -1;
    return at(element.closest<HTMLElement>("[data-id]")?.dataset.id);
  };
  const moved = at(movedTo);
  const active = moved >= 0 ? moved : Math.max(0, at(openId));
  const move = (by: number) => {
    const from = focused();
    if (from < 0) focusAt(active);
    else if (from + by < 0) options.onLeave();
    else focusAt(Math.min(shown.length - 1, from + by));
  };
  const toggle = () => {
    const one = shown[focused()];
    if (one) options.onToggle(one.id, false);
  };
  useShortcuts({ j: () => move(options.columns), k: () => move(-options.columns), x: toggle });

  const onKeyDown = (event: KeyboardEvent) => {
    const element = event.target as HTMLElement;
    const row = element.closest<HTMLElement>("[data-id]");
    // A menu that belongs to a row is elsewhere on the page, and a box has its own keys.
    if (!row || element.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    const { columns, page } = options;
    const by: Record<string, number> = {
      ArrowDown: columns,
      ArrowUp: -columns,
      PageDown: page,
      PageUp: -page,
      ...(columns > 1 && { ArrowRight: 1, ArrowLeft: -1 }),
    };
    const step = by[event.key];
    if (step !== undefined) move(Math.max(step, event.key === "PageUp" ? -focused() : step));
    else if (event.key === "Home") focusAt(0);
    else if (event.key === "End") focusAt(shown.length - 1);
    else if (event.key === "Enter" && element === row) {
      const one = shown[at(row.dataset.id)];
      if (one) options.onSelect(one);
    } else return;
    event.preventDefault();
  };
  return { activeId: shown[active]?.id, onKeyDown };
}
