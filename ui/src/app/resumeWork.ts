import type { QueryClient } from "@tanstack/react-query";
import { keptTyped } from "../features/terminal/connection/keptTyped";
import { Chunk } from "../shared/Chunk";
import { setUploader } from "../shared/uploader";

let isResumed = false;

/** Goes on with what was not finished before a reload, in whatever view the page begins; once. */
export function resumeWork(client: QueryClient): void {
  if (isResumed) return;
  isResumed = true;
  const uploads = new Chunk(async () =>
    (await import("../features/files/sending/uploads")).resumeUploads(client),
  );
  uploads.want();
  setUploader(async (workspaceId, directory, data) => {
    const { uploadDropped } = await import("../features/files/sending/uploads");
    return uploadDropped(client, workspaceId, directory, data);
  });
  new Chunk(() => import("../features/files/editing/drafts")).want();
  if (keptTyped.isThere()) new Chunk(() => import("../features/terminal/connection/typed")).want();
}
