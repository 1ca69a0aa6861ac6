import { useEffect, useRef } from "react";
import { keptStore } from "./Store";

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

/** Whether single keys act as commands; people who dictate or hit keys by accident turn it off. */
export const singleKeys = keptStore("nixws.singleKeys", true, isBoolean);

const TYPING = "input, textarea, select, [contenteditable], .xterm, .cm-editor";

/** Whether a key belongs to what has the focus, or to an open dialog, rather than to the page. */
function isTaken(event: KeyboardEvent): boolean {
  const target = event.target as Element | null;
  return Boolean(target?.closest?.(TYPING)) || document.querySelector("[role=dialog], [role=menu]") !== null;
}

/** Calls the handler of a key (`j`, `?`) or of Ctrl or ⌘ with it (`mod+k`), wherever the focus is. */
export function useShortcuts(handlers: Record<string, () => void>): void {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey) return;
      const withModifier = event.ctrlKey || event.metaKey;
      const handler = latest.current[withModifier ? `mod+${event.key.toLowerCase()}` : event.key];
      if (!handler || (!withModifier && (!singleKeys.get() || isTaken(event)))) return;
      if (withModifier && event.shiftKey) return;
      event.preventDefault();
      handler();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

/** Calls `handler` on Ctrl or ⌘ with Shift and a letter, before anything else gets the key: also out of a terminal. */
export function useAnywhere(letter: string, handler: () => void): void {
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || !event.shiftKey || event.altKey) return;
      if (event.key.toLowerCase() !== letter) return;
      event.preventDefault();
      event.stopPropagation();
      latest.current();
    };
    addEventListener("keydown", onKey, true);
    return () => removeEventListener("keydown", onKey, true);
  }, [letter]);
}
