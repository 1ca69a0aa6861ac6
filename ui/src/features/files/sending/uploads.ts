/** The uploads of every workspace: they outlive the view that began them, and a reload of the page. */

import type { QueryClient } from "@tanstack/react-query";
import { setWork } from "../../../shared/openWork";
import { connection } from "../../../shared/connection";
import { refreshDirectory } from "../api";
import { dropped } from "./dropped";
import { takeKeptUploads, uploadStore } from "./keptUploads";
import { encoded, shown } from "../paths";
import { OPEN, UploadQueue } from "./UploadQueue";

const queues = new Map<string, UploadQueue>();

/** The one queue of a workspace. */
export function uploadsOf(client: QueryClient, workspaceId: string): UploadQueue {
  const known = queues.get(workspaceId);
  if (known) return known;
  const queue = new UploadQueue(
    workspaceId,
    (directory) => void refreshDirectory(client, workspaceId, directory),
    { store: uploadStore },
  );
  queues.set(workspaceId, queue);
  let before = "";
  queue.state.subscribe(() => {
    const work = workOf(queue);
    const now = JSON.stringify(work);
    // Every piece that is sent is told: only a whole percent is news to those who look from elsewhere.
    if (now === before) return;
    before = now;
    setWork(`uploads ${workspaceId}`, work && { ...work, drop: queue.cancelAll });
  });
  return queue;
}

function workOf({ state, workspaceId }: UploadQueue) {
  const uploads = state.get();
  if (!uploads.some((one) => OPEN.has(one.state))) return null;
  const size = uploads.reduce((sum, one) => sum + one.size, 0);
  const sent = uploads.reduce((sum, one) => sum + one.sent, 0);
  const needsSomebody = uploads.some((one) => one.state === "conflict" || one.state === "missing");
  return {
    text: needsSomebody ? ("work.uploadsAsk" as const) : ("work.uploads" as const),
    name: "",
    workspaceId,
    view: "files" as const,
    search: {},
    fraction: size > 0 ? Math.round((sent / size) * 100) / 100 : 0,
  };
}

connection.subscribe(() => {
  if (connection.get() === "open") for (const queue of queues.values()) queue.pump();
});

/** Goes on with what was not finished when the page was left. */
export async function resumeUploads(client: QueryClient): Promise<void> {
  for (const upload of await takeKeptUploads()) uploadsOf(client, upload.kept.workspaceId).takeUp([upload]);
}

/** Uploads what was dropped elsewhere than on a directory; answers how it is called there, by its outermost names. */
export async function uploadDropped(
  client: QueryClient,
  workspaceId: string,
  directory: string,
  data: DataTransfer,
): Promise<readonly string[]> {
  const { files, emptyFolders } = await dropped(data);
  uploadsOf(client, workspaceId).add(encoded(directory), files, emptyFolders);
  const names = [...files.map(({ name }) => name), ...emptyFolders].map((name) =>
    shown(name.split("/")[0] ?? ""),
  );
  return [...new Set(names)];
}
