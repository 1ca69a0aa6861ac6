import { useEffect, useState } from "react";

const DELAY_MS = 400;
const GAP = 6;

/** Makes an element show a few words beside it under the pointer or the focus; they repeat what its name says. */
export const tooltip = (text: string | undefined) => ({ "data-tooltip": text });

interface Shown {
  text: string;
  x: number;
  y: number;
  isAbove: boolean;
}

const holder = (target: EventTarget | null) =>
  target instanceof Element ? target.closest<HTMLElement>("[data-tooltip]") : null;

function place(element: HTMLElement): Shown {
  const box = element.getBoundingClientRect();
  const isAbove = box.bottom + 3 * GAP + box.height > innerHeight;
  return {
    text: element.dataset.tooltip ?? "",
    x: Math.min(Math.max(box.left + box.width / 2, GAP), innerWidth - GAP),
    y: isAbove ? box.top - GAP : box.bottom + GAP,
    isAbove,
  };
}

/** Moves what would stand past an edge of the window. */
function keepInSight(element: HTMLElement | null): void {
  if (!element) return;
  const { left, right } = element.getBoundingClientRect();
  const past = Math.max(0, right + GAP - innerWidth) - Math.max(0, GAP - left);
  if (past) element.style.marginInlineStart = `${-past}px`;
}

/** Shows the words of whatever element is pointed at; once in a page. Escape puts them away (WCAG 2.2, 1.4.13). */
export function TooltipLayer() {
  const [shown, setShown] = useState<Shown | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let current: HTMLElement | null = null;
    const leave = () => {
      clearTimeout(timer);
      current = null;
      setShown(null);
    };
    const enter = (element: HTMLElement | null) => {
      if (element === current) return;
      leave();
      if (!element) return;
      current = element;
      timer = setTimeout(() => element.isConnected && setShown(place(element)), DELAY_MS);
    };
    const onOver = ({ target }: Event) => enter(holder(target));
    const onFocus = ({ target }: Event) =>
      target instanceof Element && target.matches(":focus-visible") && enter(holder(target));
    const onKey = ({ key }: KeyboardEvent) => key === "Escape" && leave();
    const listeners: [string, (event: never) => void][] = [
      ["pointerover", onOver],
      ["focusin", onFocus],
      ["focusout", leave],
      ["pointerdown", leave],
      ["keydown", onKey],
      ["scroll", leave],
    ];
    for (const [kind, listener] of listeners)
      addEventListener(kind, listener as EventListener, { capture: true, passive: true });
    return () => {
      clearTimeout(timer);
      for (const [kind, listener] of listeners)
        removeEventListener(kind, listener as EventListener, { capture: true });
    };
  }, []);
  if (!shown) return null;
  const { text, x, y, isAbove } = shown;
  return (
    <div
      className="tooltip"
      aria-hidden
      ref={keepInSight}
      data-above={isAbove}
      style={{ insetInlineStart: x, insetBlockStart: y }}
    >
      {text}
    </div>
  );
}
