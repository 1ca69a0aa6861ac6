import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  // One style sheet for all: a part that is fetched later needs no second file, which is never tried again.
  build: {
    manifest: true,
    cssCodeSplit: false,
    target: "es2022",
    assetsInlineLimit: 0,
    // What the first view needs comes in two files: fifty small ones wait for each other on six connections.
    rolldownOptions: {
      output: {
        advancedChunks: {
          includeDependenciesRecursively: false,
          groups: [
            {
              name: "vendor",
              test: /node_modules\/(react|react-dom|scheduler|@tanstack|use-sync-external-store)\//,
            },
            // Two hundred bytes each: an icon in a file of its own costs a request. Those of files come with files.
            {
              name: "base",
              test: /preload-helper|node_modules\/lucide-react\/(?!.*\/icons\/(file-|folder-|text-wrap|shield|user-|key-round))|src\/(features\/files\/listing\/order|ui\/(?!Modal|Menu|Confirm|Table|WideBox|Sparkline|spark)|shared\/(?!i18n\/(de|(?!problems\.en)[a-z]+\.(de|en))|ansi|download|Meter)|api\/(?!terminals|LineStream|secrets|people|passkey|signIn|transfers|network|scaling|costs))/,
            },
            {
              name: "list",
              test: /src\/(features\/workspaces\/(list\/(?!MoreActions|ViewMenu)|useDelete|LazyDelete|detail\/verbIcons)|features\/terminal\/connection\/keptTyped|app\/useNewWorkspace)/,
            },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": "http://127.0.0.1:5000",
      "/login": "http://127.0.0.1:5000",
      "/ws": { target: "ws://127.0.0.1:5000", ws: true },
    },
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/patience.ts"],
    testTimeout: 30_000,
  },
});
