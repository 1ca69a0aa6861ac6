import { ApiError, send, workspacePath } from "./client";

const KEPT_MS = 10_000;
const MOST = 500;
const known = new Map<string, { at: number; isThere: Promise<boolean> }>();

/** Whether a workspace has such a file (absolute, not encoded); an answer is good for some seconds. */
export function fileExists(workspaceId: string, path: string): Promise<boolean> {
  const url = workspacePath(workspaceId, "files") + path.split("/").map(encodeURIComponent).join("/");
  const before = known.get(url);
  if (before && Date.now() - before.at < KEPT_MS) return before.isThere;
  if (known.size >= MOST) known.clear();
  const isThere = send("HEAD", url).then(
    () => true,
    (failure: unknown) => {
      if (!(failure instanceof ApiError)) throw failure;
      return false;
    },
  );
  known.set(url, { at: Date.now(), isThere });
  return isThere;
}
