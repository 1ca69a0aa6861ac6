import type { LogLine, Status, Workspace } from "../../api/types";

const AT = "2026-01-01T12:00:00.000Z";

/** A workspace in a state, for the gallery. */
export const sample = (status: Status): Workspace => ({
  id: `ws-${status.padEnd(12, "0")}`,
  name:
    status === "error" ? "a-name-that-is-as-long-as-the-names-of-branches-often-are-1234567" : `is-${status}`,
  status,
  cpu: 2,
  memory: 4,
  storage: 20,
  owner: "admin",
  owner_name: "admin",
  relation: "owner",
  started_at: AT,
  created_at: AT,
  last_accessed: AT,
  template: "development",
  packages: ["git"],
  ports: [8080],
  package_set: "Debian 12 packages",
  progress:
    status === "creating" ? { phase: "build", fraction: 0.6, message: "building git", said: null } : null,
  fault: status === "error" ? { code: "build_failed", message: "The build failed.", at: AT } : null,
});

const line = (text: string, source = "build"): LogLine => ({ source, text, at: AT });

export const LOG: readonly LogLine[] = [
  ...["flake.nix", "workspace.nix", "ports.nix"].map((name) =>
    line(`evaluating file '/nix/store/x/${name}'`),
  ),
  line("building '/nix/store/y-system-path.drv'"),
  line("\u001B[35;1mwarning:\u001B[0m skipping a dangling symlink"),
  line("error: builder for '/nix/store/z.drv' failed with exit code 1"),
  line("nixos: activating", "boot"),
];
