// The development server, with a cache of its own where NIXWS_VITE_CACHE names one: two servers share none.
import { createServer } from "vite";

const { NIXWS_VITE_CACHE: cacheDir, PORT: port = "5173" } = process.env;
const server = await createServer({
  ...(cacheDir && { cacheDir }),
  server: { host: "127.0.0.1", port: Number(port) },
});
await server.listen();
server.printUrls();
