import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useRef, useState } from "react";
import { queryOf, withoutFilter } from "./query";

const QUIET_MS = 200;

/** The filter as it is typed or chosen; the address follows once typing pauses, so that no key waits for it. */
export function useFilterText(): [string, (text: string) => void] {
  const navigate = useNavigate();
  const q = queryOf(useSearch({ strict: false }));
  const [typed, setTyped] = useState(q);
  const [known, setKnown] = useState(q);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The address changed by itself (back button, a link): what it says wins.
  if (q !== known) {
    setKnown(q);
    setTyped(q);
  }
  const change = useCallback(
    (text: string) => {
      setTyped(text);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => {
        setKnown(text.trim());
        void navigate({
          to: ".",
          replace: true,
          search: (before: Record<string, unknown>) => ({
            ...withoutFilter(before),
            ...(text.trim() && { q: text.trim() }),
          }),
        });
      }, QUIET_MS);
    },
    [navigate],
  );
  return [typed, change];
}
