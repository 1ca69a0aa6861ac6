import type { Workspace } from "../src/api/types";

export function workspace(change: Partial<Workspace> = {}): Workspace {
  return {
    id: "ws-000000000001",
    name: "one",
    status: "running",
    cpu: 1,
    memory: 2,
    storage: 10,
    created_at: "2026-01-01T00:00:00.000Z",
    last_accessed: "2026-01-01T00:00:00.000Z",
    template: "development",
    packages: [],
    ports: [],
    package_set: "test packages",
    progress: null,
    fault: null,
    owner: "admin",
    owner_name: "admin",
    relation: "owner",
    started_at: "2026-01-01T00:00:00.000Z",
    usage: null,
    ...change,
  };
}

/** What the service tells of an open workspace. */
export const openEvent = (id: string, terminals: number, ports: readonly number[]) => ({
  type: "workspace.open",
  workspace_id: id,
  open: { terminals, ports },
});
