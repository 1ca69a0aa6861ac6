import type { WorkspaceEvent } from "./EventsSocket";
import { currentTranslate } from "../shared/i18n/messages";
import { randomName } from "../shared/random";
import { keptStore } from "../shared/Store";

/** Something that was asked for in this browser. */
export interface Task {
  id: string;
  title: string;
  /** Empty until the service has given it one. */
  workspaceId: string;
  state: "running" | "done" | "failed" | "cancelled";
  startedAt: string;
  message: string;
}

const KEPT = 100;
const isTasks = (value: unknown): value is readonly Task[] => Array.isArray(value);

export const tasks = keptStore<readonly Task[]>("nixws.tasks", [], isTasks);

export function begin(title: string, workspaceId: string): string {
  const id = randomName();
  const task: Task = {
    id,
    title,
    workspaceId,
    state: "running",
    startedAt: new Date().toISOString(),
    message: "",
  };
  tasks.set((all) => [task, ...all].slice(0, KEPT));
  return id;
}

export function amend(id: string, change: Partial<Task>): void {
  tasks.set((all) => all.map((task) => (task.id === id ? { ...task, ...change } : task)));
}

/** Ends what is still asked of a workspace in this browser: somebody does not want it any more. */
export function cancelTasks(workspaceId: string): void {
  tasks.set((all) =>
    all.map((task) =>
      task.workspaceId === workspaceId && task.state === "running" ? { ...task, state: "cancelled" } : task,
    ),
  );
}

const DONE = new Set(["running", "stopped", "paused"]);

/** The tasks after some events: a workspace that has come to rest ends what was asked of it. */
export function tasksAfter(all: readonly Task[], events: readonly WorkspaceEvent[]): readonly Task[] {
  const ends = new Map<string, Pick<Task, "state" | "message">>();
  for (const event of events) {
    const status = event.workspace?.status ?? event.status;
    const fault = event.workspace?.fault ?? event.fault;
    if (!event.workspace_id) continue;
    if (event.type === "workspace.deleted") ends.set(event.workspace_id, { state: "done", message: "" });
    else if (status === "error")
      ends.set(event.workspace_id, {
        state: "failed",
        message: fault ? currentTranslate().problem(fault) : "",
      });
    else if (status && DONE.has(status)) ends.set(event.workspace_id, { state: "done", message: "" });
  }
  if (!all.some((task) => task.state === "running" && ends.has(task.workspaceId))) return all;
  return all.map((task) => {
    const end = task.state === "running" ? ends.get(task.workspaceId) : undefined;
    return end ? { ...task, ...end } : task;
  });
}
