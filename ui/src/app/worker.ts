/** Has the browser keep a page for when the service is away; returns the way to stop calling `goTo` when a notification is clicked. */
export function followWorker(goTo: (path: string) => void): () => void {
  // There is none where the page came over plain HTTP from another machine.
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return () => undefined;
  const hear = ({ data }: MessageEvent) => {
    const { type, path } = (data ?? {}) as { type?: unknown; path?: unknown };
    if (type === "open" && typeof path === "string" && path.startsWith("/workspaces")) goTo(path);
  };
  navigator.serviceWorker.addEventListener("message", hear);
  // A browser that refuses it, as in a private window, costs the page for when the service is away.
  navigator.serviceWorker.register("/sw.js").catch(() => undefined);
  return () => navigator.serviceWorker.removeEventListener("message", hear);
}
