// Fails when a part of the built UI has grown beyond its budget (KB of gzip -9).
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, "utf8"));
const size = (file) => gzipSync(readFileSync(dist + file), { level: 9 }).length / 1000;

/** Everything that a chunk needs before it can run. */
function closure(key, found = new Set()) {
  if (found.has(key)) return found;
  found.add(key);
  for (const needed of manifest[key].imports ?? []) closure(needed, found);
  return found;
}

const keys = Object.keys(manifest);
const entry = closure(keys.find((key) => manifest[key].isEntry));
const files = (keysOf) => new Set([...keysOf].map((key) => manifest[key].file));
const own = (key) => files([...closure(key)].filter((one) => !entry.has(one)));
const total = (names) => [...names].reduce((sum, name) => sum + size(name), 0);
const named = (name) => keys.find((key) => key.endsWith(name));

// Of the entry, 5 KB are what keeps and brings back unfinished work: it must be there before anything can be lost.
const rows = [["entry", total(files(entry)), 160]];
rows.push(["CSS", total(files(keys.filter((key) => manifest[key].file.endsWith(".css")))), 24]);
// A letter of the extended set is rare, and its file is fetched only then.
const fonts = readdirSync(`${dist}assets`).filter((one) => one.endsWith(".woff2") && !one.includes("-ext-"));
rows.push(["fonts", total(fonts.map((one) => `assets/${one}`)), 95]);
// Nix is coloured in the editor only, whose parts it shares.
const special = {
  "editing/nix.ts": 130,
  "WebTerminalComponent.tsx": 120,
  "TerminalTab.tsx": 120,
  "CodeEditor.tsx": 130,
  // xterm, which it shares with the terminals.
  "Player.tsx": 110,
};
for (const [name, limit] of Object.entries(special)) {
  const key = named(name);
  if (key) rows.push([name, total(own(key)), limit]);
}
for (const key of keys.filter((one) => manifest[one].isDynamicEntry && !/node_modules/.test(one))) {
  if (!Object.keys(special).some((name) => key.endsWith(name))) rows.push([key, total(own(key)), 60]);
}
let failed = !existsSync(`${dist}index.html`);
for (const [name, used, limit] of rows) {
  const over = used > limit;
  failed ||= over;
  if (over || limit !== 60) console.log(`${over ? "OVER " : ""}${name}: ${used.toFixed(1)} of ${limit} KB`);
}
process.exit(failed ? 1 : 0);
