import { type ReactNode, useEffect, useLayoutEffect, useRef } from "react";

/** What does not fit can be scrolled with the keyboard, too; what fits is no stop on its way. */
function followFit(box: HTMLDivElement): void {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

interface WideBoxProps {
  /** Where it is a part of the page with a name. */
  label?: string;
  children: ReactNode;
}

/**
 * A box that scrolls sideways what is wider than the page, such as a table.
 *
 * Whether it fits is looked at with every change of its own, before anything is shown, and whenever the sizes change.
 */
export function WideBox({ label, children }: WideBoxProps) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (ref.current) followFit(ref.current);
  });
  useEffect(() => {
    const box = ref.current;
    if (!box || !("ResizeObserver" in globalThis)) return undefined;
    const observer = new ResizeObserver(() => followFit(box));
    observer.observe(box);
    if (box.firstElementChild) observer.observe(box.firstElementChild);
    return () => observer.disconnect();
  }, []);
  return (
    <div className="table-scroll" role={label && "group"} aria-label={label} ref={ref}>
      {children}
    </div>
  );
}
