import { useCallback, useEffect, useRef, useState } from "react";
import type { Entry } from "../api";

export interface Marked {
  /** Paths of what is selected and still there, in the order shown. */
  entries: readonly Entry[];
  paths: ReadonlySet<string>;
  /** Selects one or the reverse; as a range, all from the last one that was touched. */
  toggle: (path: string, isRange: boolean) => void;
  set: (paths: Iterable<string>) => void;
}

/** The paths between two of a list, both included, in either direction. */
export function between(shown: readonly Entry[], from: string, to: string): string[] {
  const places = [from, to].map((path) => shown.findIndex((one) => one.path === path));
  const [first = -1, last = -1] = places.toSorted((one, other) => one - other);
  return first < 0 ? [to] : shown.slice(first, last + 1).map((one) => one.path);
}

/** What is selected in a directory. */
export function useMarked(shown: readonly Entry[]): Marked {
  const [paths, setPaths] = useState<ReadonlySet<string>>(new Set());
  const latest = useRef(shown);
  const anchor = useRef("");
  useEffect(() => {
    latest.current = shown;
  });
  const toggle = useCallback((path: string, isRange: boolean) => {
    const touched = isRange && anchor.current ? between(latest.current, anchor.current, path) : [path];
    if (!isRange) anchor.current = path;
    setPaths((before) => {
      const next = new Set(before);
      const isAdding = isRange || !before.has(path);
      for (const one of touched) {
        if (isAdding) next.add(one);
        else next.delete(one);
      }
      return next;
    });
  }, []);
  const set = useCallback((wanted: Iterable<string>) => setPaths(new Set(wanted)), []);
  return { entries: shown.filter((one) => paths.has(one.path)), paths, toggle, set };
}
