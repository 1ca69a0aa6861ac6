import type { QueryClient } from "@tanstack/react-query";
import { workspacesQuery } from "../api/queries";
import { type Task, tasks } from "../api/tasks";
import { currentTranslate } from "../shared/i18n/messages";
import { keptStore } from "../shared/Store";

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

/** Whether the browser is to notify of what is ready or has failed while the page is not in front. */
export const notices = keptStore("nixws.notices", false, isBoolean);

/** Whether this browser has notifications at all: it has none where the page came over plain HTTP. */
export const canNotify = (): boolean => "Notification" in globalThis;

/** Switches notifications on, which the browser asks about, or off; resolves to false where the browser refuses. */
export async function switchNotices(isOn: boolean): Promise<boolean> {
  const isGranted = !isOn || (await Notification.requestPermission()) === "granted";
  notices.set(isOn && isGranted);
  return isGranted;
}

/** The tasks that have come to their end between two states of the list. */
export function ended(before: readonly Task[], after: readonly Task[]): Task[] {
  const running = new Set(before.filter((task) => task.state === "running").map((task) => task.id));
  return after.filter((task) => running.has(task.id) && (task.state === "done" || task.state === "failed"));
}

const isInFront = (): boolean => document.visibilityState === "visible" && document.hasFocus();

async function show(title: string, task: Task): Promise<void> {
  const path = `/workspaces/${task.workspaceId}`;
  const options = { body: task.message, tag: task.workspaceId, icon: "/icons/icon-192.png", data: { path } };
  const worker = await navigator.serviceWorker?.getRegistration();
  // A phone lets only the worker notify.
  if (worker) await worker.showNotification(title, options);
  else new Notification(title, options).addEventListener("click", () => focus());
}

/** Notifies of what was asked for here and is ready, or has failed, while somebody looks elsewhere; returns its end. */
export function followTasks(client: QueryClient): () => void {
  let before = tasks.get();
  return tasks.subscribe(() => {
    const news = ended(before, tasks.get());
    before = tasks.get();
    if (!notices.get() || !canNotify() || Notification.permission !== "granted" || isInFront()) return;
    const t = currentTranslate();
    const all = client.getQueryData(workspacesQuery.queryKey);
    for (const task of news) {
      const workspace = all?.find((one) => one.id === task.workspaceId);
      const { name } = workspace ?? { name: task.title };
      if (task.state === "failed") void show(t("notice.failed", { name }), task);
      else if (workspace?.status === "running") void show(t("notice.ready", { name }), task);
    }
  });
}
