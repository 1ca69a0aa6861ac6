// Shows a page of its own where the service cannot be reached. Nothing else is kept or answered here: no page, no file
// of the API, nothing that may hold a secret ever lies in this cache.
const CACHE = "nixws-offline-1";
const PAGE = "/offline.html";
const KEPT = [PAGE, "/offline.css", "/favicon.svg"];
/** Addresses that are no views of the page: their answers go past this worker. */
const NO_VIEW = /^\/(api|ws|w|assets|login)(\/|$|\.)/;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) =>
        cache.addAll(KEPT.map((path) => new Request(path, { cache: "reload", credentials: "omit" }))),
      )
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin) return;
  if (request.mode === "navigate" && !NO_VIEW.test(pathname)) {
    event.respondWith(fetch(request).catch(() => caches.match(PAGE)));
  } else if (KEPT.includes(pathname)) {
    event.respondWith(fetch(request).catch(async () => (await caches.match(pathname)) ?? Response.error()));
  }
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const path = event.notification.data?.path ?? "/workspaces";
  event.waitUntil(
    self.clients.matchAll({ type: "window" }).then(async ([open]) => {
      if (!open) return self.clients.openWindow(path);
      // The page goes there itself: what is begun in it stays.
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a client is of this origin
      open.postMessage({ type: "open", path });
      return open.focus();
    }),
  );
});
