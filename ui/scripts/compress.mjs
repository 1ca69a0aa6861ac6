// Puts a packed copy beside each file of the built UI that gets smaller by it: the service hands those out as they are.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const assets = "dist/assets";
const LEAST_SAVED = 0.1;

for (const name of readdirSync(assets)) {
  if (!/\.(js|css|svg)$/.test(name)) continue;
  const whole = readFileSync(`${assets}/${name}`);
  const packed = gzipSync(whole, { level: 9 });
  if (packed.length < whole.length * (1 - LEAST_SAVED)) writeFileSync(`${assets}/${name}.gz`, packed);
}
