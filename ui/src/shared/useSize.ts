import { type RefObject, useEffect, useState } from "react";

/** The width of an element in px, followed; before it is there that of the window. */
export function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(() => innerWidth);
  useEffect(() => {
    const element = ref.current;
    if (!element || !("ResizeObserver" in globalThis)) return undefined;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}

/** A reader's own size of type: what is measured in script grows with it, too. */
export const remPx = (): number =>
  Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
