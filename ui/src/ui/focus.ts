/** What has its own way to hold the focus and is gone when it closes. */
const PASSING = "[role=dialog], [role=menu], [role=listbox]";

let last: HTMLElement | null = null;

/** Notes where the focus is on the page itself, for what opens over it. */
export function followFocus(): void {
  addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLElement && !target.closest(PASSING)) last = target;
  });
}

/** As a ref: what stands where something was that had the focus takes it. */
export const takeFocus = (one: HTMLElement | null): void => one?.focus();

/** Somebody goes elsewhere: the focus is not to come back. */
export function forgetFocus(): void {
  last = null;
}

/** Gives the focus back to where it was on the page; to the page's content where that is gone. */
export function focusBack(): void {
  const target = last?.isConnected && last.checkVisibility() ? last : document.getElementById("content");
  target?.focus({ preventScroll: true });
}
