const SETTLED_MS = 300;

interface Sized {
  /** Whether the terminal has the size that its pane gives it. */
  isOwnSize: () => boolean;
  fit: () => void;
}

/**
 * Has a terminal fitted again when its pane gets another room; returns what ends that. What comes and goes beside the
 * pane is no reason to take the size from the window that has it: a row that tells of another window's person may come
 * before the size that this window gives.
 */
export function watchRoom(element: HTMLElement, { isOwnSize, fit }: Sized): () => void {
  let windowWidth = innerWidth;
  let width = element.clientWidth;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const observer = new ResizeObserver(() => {
    clearTimeout(timer);
    const isBeside = innerWidth === windowWidth && element.clientWidth === width;
    if (isBeside) timer = setTimeout(() => isOwnSize() && fit(), SETTLED_MS);
    else if (isOwnSize() || innerWidth !== windowWidth) fit();
    windowWidth = innerWidth;
    width = element.clientWidth;
  });
  observer.observe(element);
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}
