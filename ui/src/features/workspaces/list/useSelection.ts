import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Workspace } from "../../../api/types";

export interface Selection {
  ids: ReadonlySet<string>;
  /** The selected ones that are shown, in their order. */
  items: readonly Workspace[];
  toggle: (id: string, isRange: boolean) => void;
  set: (ids: Iterable<string>) => void;
}

/** The ids between two places of a list, both included, in either direction. */
export function rangeOf(shown: readonly Workspace[], from: string, to: string): string[] {
  const places = [from, to].map((id) => shown.findIndex((one) => one.id === id)).toSorted((a, b) => a - b);
  const [first = -1, last = -1] = places;
  return first < 0 ? [to] : shown.slice(first, last + 1).map((one) => one.id);
}

/** Which of the shown workspaces are selected; with Shift from the last one that was. */
export function useSelection(shown: readonly Workspace[]): Selection {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const latest = useRef(shown);
  useEffect(() => {
    latest.current = shown;
  });
  const anchor = useRef("");
  const toggle = useCallback((id: string, isRange: boolean) => {
    const touched = isRange && anchor.current ? rangeOf(latest.current, anchor.current, id) : [id];
    anchor.current = id;
    setIds((before) => {
      const next = new Set(before);
      const isAdding = !before.has(id);
      for (const one of touched) {
        if (isAdding) next.add(one);
        else next.delete(one);
      }
      return next;
    });
  }, []);
  const set = useCallback((wanted: Iterable<string>) => setIds(new Set(wanted)), []);
  const items = useMemo(() => shown.filter((one) => ids.has(one.id)), [shown, ids]);
  return useMemo(() => ({ ids, items, toggle, set }), [ids, items, toggle, set]);
}
