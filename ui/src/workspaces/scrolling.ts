import { useEffect, useState } from "react";

const QUIET_MS = 120;

let scrolledAt = Number.NEGATIVE_INFINITY;

/** Tells that the list is being scrolled just now. */
export function noteScroll(): void {
  scrolledAt = performance.now();
}

const isScrolling = (): boolean => performance.now() - scrolledAt < QUIET_MS;

/** Whether the caller came into sight while the list was scrolled and it has not come to rest since: it may be brief. */
export function usePassing(): boolean {
  const [isPassing, setIsPassing] = useState(isScrolling);
  useEffect(() => {
    if (!isPassing) return undefined;
    const timer = setInterval(() => {
      if (!isScrolling()) setIsPassing(false);
    }, QUIET_MS);
    return () => clearInterval(timer);
  }, [isPassing]);
  return isPassing;
}
