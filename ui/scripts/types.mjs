// Writes src/api/schema.d.ts from the OpenAPI document of the checkout's own application, or with --check tells
// whether it has drifted. Needs the checkout's Python environment; no running service.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapi, { astToString } from "openapi-typescript";

const root = fileURLToPath(new URL("../..", import.meta.url));
const target = fileURLToPath(new URL("../src/api/schema.d.ts", import.meta.url));
const program = `
import json
from types import SimpleNamespace
from nixos_workspaces.settings import Settings
from nixos_workspaces.web.app import create_app
unused = SimpleNamespace(authenticate=None)
app = create_app(SimpleNamespace(settings=Settings(), tokens=unused))
print(json.dumps(app.openapi(), sort_keys=True))
`;

const python = process.env.NIXWS_PYTHON ?? `${root}.venv/bin/python`;
const document = execFileSync(python, ["-c", program], {
  cwd: root,
  encoding: "utf8",
  env: { ...process.env, PYTHONPATH: `${root}src` },
  maxBuffer: 1 << 26,
});
const header = "// Made from /api/openapi.json by `npm run types`; not to be edited.\n\n";
const made = header + astToString(await openapi(JSON.parse(document)));

if (!process.argv.includes("--check")) {
  writeFileSync(target, made);
} else if (!existsSync(target) || readFileSync(target, "utf8") !== made) {
  console.error("src/api/schema.d.ts is not what the API says now: run `npm run types`.");
  process.exit(1);
}
