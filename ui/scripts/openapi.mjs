// The OpenAPI document of the checkout's own application, as text. Needs the checkout's Python environment; no running
// service.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = `
import json
from types import SimpleNamespace
from nixos_workspaces.settings import Settings
from nixos_workspaces.web.app import create_app
unused = SimpleNamespace(authenticate=None)
app = create_app(SimpleNamespace(settings=Settings(), tokens=unused, counted_audit=unused))
print(json.dumps(app.openapi(), sort_keys=True))
`;

export function openapiDocument() {
  return execFileSync(process.env.NIXWS_PYTHON ?? `${root}.venv/bin/python`, ["-c", program], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: `${root}src` },
    maxBuffer: 1 << 26,
  });
}
