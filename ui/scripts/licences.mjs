// Puts the licences of the fonts beside them, as the SIL Open Font License asks.
import { copyFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
for (const font of ["inter", "jetbrains-mono"]) {
  copyFileSync(
    here(`node_modules/@fontsource-variable/${font}/LICENSE`),
    here(`dist/assets/${font}-licence.txt`),
  );
}
