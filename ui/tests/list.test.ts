import { describe, expect, it } from "vitest";
import { listAfter, upserted } from "../src/api/cache";
import { begin, cancelTasks, tasks as allTasks, tasksAfter, type Task } from "../src/api/tasks";
import { Slots } from "../src/features/workspaces/list/table/Slots";
import { rangeOf } from "../src/features/workspaces/list/useSelection";
import { workspace } from "./workspaces";

const a = workspace({
  id: "a",
  name: "alpha",
  cpu: 1,
  created_at: "2026-01-03T00:00:00.000Z",
  packages: ["git"],
});
const b = workspace({ id: "b", name: "beta", cpu: 4, status: "stopped", template: "python" });
const c = workspace({ id: "c", name: "gamma-alpha", cpu: 4, created_at: "2026-01-02T00:00:00.000Z" });
const all = [a, b, c];
describe("selecting", () => {
  it("takes what lies between, in both directions, and only what is shown", () => {
    expect(rangeOf(all, "a", "c")).toEqual(["a", "b", "c"]);
    expect(rangeOf(all, "c", "b")).toEqual(["b", "c"]);
    expect(rangeOf(all, "gone", "b")).toEqual(["b"]);
  });
});

describe("the places of rows", () => {
  it("are kept by those that stay, and go from those that leave to those that come", () => {
    const slots = new Slots();
    expect(slots.take(["a", "b", "c"])).toEqual([0, 1, 2]);
    expect(slots.take(["b", "c", "d"])).toEqual([1, 2, 0]);
    expect(slots.take(["d", "c", "b"])).toEqual([0, 2, 1]);
    expect(slots.take(["d"])).toEqual([0]);
    expect(slots.take(["x", "d", "y", "z"]).toSorted()).toEqual([0, 1, 2, 3]);
  });
});

const task = (id: string, workspaceId: string): Task => ({
  id,
  workspaceId,
  title: id,
  state: "running",
  startedAt: "",
  message: "",
});

describe("events", () => {
  const progress = { phase: "build" as const, fraction: 0.5, message: "git", said: null };

  it("change what they tell of, add what is whole, and take away", () => {
    const after = listAfter(all, [
      { type: "workspace.status", workspace_id: "b", status: "starting" },
      { type: "workspace.progress", workspace_id: "b", progress },
      { type: "workspace.deleted", workspace_id: "a" },
      { type: "workspace.status", workspace_id: "d", workspace: workspace({ id: "d", name: "delta" }) },
      { type: "workspace.status", workspace_id: "unknown", status: "running" },
    ]);
    expect(after.map((one) => [one.id, one.status])).toEqual([
      ["d", "running"],
      ["b", "starting"],
      ["c", "running"],
    ]);
    expect(after[1]?.progress).toEqual(progress);
  });

  it("leave untouched workspaces the same values, so that their rows are not drawn again", () => {
    const after = listAfter(all, [{ type: "workspace.status", workspace_id: "b", status: "error" }]);
    expect(after[0]).toBe(a);
    expect(after[2]).toBe(c);
  });

  it("put an answer in place of what was there, or first", () => {
    expect(upserted(all, { ...b, status: "starting" }).map((one) => one.status)[1]).toBe("starting");
    expect(upserted(all, workspace({ id: "new" }))[0]?.id).toBe("new");
  });

  it("end the tasks of workspaces that have come to rest", () => {
    const tasks = [task("1", "a"), task("2", "b"), task("3", "c")];
    const fault = { code: "x", message: "why", at: "" };
    const after = tasksAfter(tasks, [
      { type: "workspace.status", workspace_id: "a", status: "running" },
      { type: "workspace.status", workspace_id: "b", status: "error", fault },
      { type: "workspace.status", workspace_id: "c", status: "stopping" },
    ]);
    expect(after.map((one) => [one.state, one.message])).toEqual([
      ["done", ""],
      ["failed", "why"],
      ["running", ""],
    ]);
    expect(tasksAfter(after, [{ type: "workspace.status", workspace_id: "a", status: "running" }])).toBe(
      after,
    );
  });

  it("are cancelled only where they run, and stay so", () => {
    begin("first", "a");
    begin("other", "b");
    cancelTasks("a");
    allTasks.set((now) => tasksAfter(now, [{ type: "workspace.deleted", workspace_id: "a" }]));
    expect(allTasks.get().map((one) => [one.title, one.state])).toEqual([
      ["other", "running"],
      ["first", "cancelled"],
    ]);
  });
});
