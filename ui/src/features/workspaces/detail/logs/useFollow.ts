import { useEffect, useRef } from "react";

const AT_END = 24;

/** Keeps a pane at its end while it follows; who scrolls back stops it, who scrolls to the end starts it again. */
export function useFollow(isFollowing: boolean, setIsFollowing: (isFollowing: boolean) => void) {
  const pane = useRef<HTMLPreElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const before = useRef(0);
  useEffect(() => {
    const [outer, inner] = [pane.current, content.current];
    if (!isFollowing || !outer || !inner) return undefined;
    // Lines out of sight have a guessed height: the end moves when they are drawn, not only when lines come.
    const observer = new ResizeObserver(() => {
      outer.scrollTop = outer.scrollHeight;
    });
    observer.observe(inner);
    observer.observe(outer);
    return () => observer.disconnect();
  }, [isFollowing]);
  const onScroll = () => {
    const element = pane.current;
    if (!element) return;
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END;
    if (isAtEnd) setIsFollowing(true);
    else if (element.scrollTop < before.current) setIsFollowing(false);
    before.current = element.scrollTop;
  };
  return { pane, content, onScroll };
}
