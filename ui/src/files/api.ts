import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiError, request, send, workspacePath } from "../api/client";
import { inQuery } from "./paths";

export type EntryType = "file" | "directory" | "link" | "other";

/** One name in a directory. */
export interface Entry {
  /** For people. */
  name: string;
  /** Percent-encoded; goes into addresses as it is. */
  path: string;
  type: EntryType;
  size: number;
  /** Octal, four digits. */
  mode: string;
  modified: string;
  link_target: string | null;
}

interface Page {
  files: Entry[];
  next_cursor: string | null;
}

const PAGE = 1000;
const MOST = 20_000;
/** Others write into it as well. */
const DIRECTORY_MS = 15_000;

/** Address of one file; `path` is encoded already. */
export const fileUrl = (workspaceId: string, path: string): string =>
  `${workspacePath(workspaceId, "files")}${path}`;

export const archiveUrl = (workspaceId: string, path: string): string =>
  `${fileUrl(workspaceId, path)}?archive=zip`;

export const directoryKey = (workspaceId: string, path: string) =>
  ["workspace", workspaceId, "files", path] as const;

/** Reads a directory again, also when it is just being read for the first time: that answer may be too old already. */
export async function refreshDirectory(
  client: QueryClient,
  workspaceId: string,
  path: string,
): Promise<void> {
  const queryKey = directoryKey(workspaceId, path);
  await client.cancelQueries({ queryKey });
  await client.invalidateQueries({ queryKey });
}

/** What a directory holds, directories first; very large ones are cut off. */
export const directoryQuery = (workspaceId: string, path: string, hidden: boolean) =>
  queryOptions({
    queryKey: [...directoryKey(workspaceId, path), hidden],
    staleTime: 5_000,
    refetchInterval: DIRECTORY_MS,
    queryFn: async ({ signal }) => {
      const entries: Entry[] = [];
      let cursor = "";
      do {
        const page: Page = await request(
          "GET",
          `${workspacePath(workspaceId, "files")}?path=${inQuery(path)}&limit=${PAGE}&hidden=${hidden ? 1 : 0}` +
            (cursor && `&cursor=${encodeURIComponent(cursor)}`),
          { signal },
        );
        entries.push(...page.files);
        cursor = page.next_cursor ?? "";
      } while (cursor && entries.length < MOST);
      return entries;
    },
  });

/** A file's content with its version. */
export interface FileContent {
  blob: Blob;
  etag: string;
}

export const fileQuery = (workspaceId: string, path: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "file", path],
    staleTime: 0,
    gcTime: 0,
    refetchOnWindowFocus: false,
    queryFn: async ({ signal }): Promise<FileContent> => {
      const response = await send("GET", fileUrl(workspaceId, path), { signal });
      return { blob: await response.blob(), etag: response.headers.get("ETag") ?? "" };
    },
  });

/** Size and date of what has a name that an upload wants; null when it is no file, or has gone. */
export const takenQuery = (workspaceId: string, path: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "taken", path],
    gcTime: 0,
    staleTime: 0,
    retry: false,
    queryFn: async ({ signal }): Promise<{ size: number; modified: string } | null> => {
      try {
        const { headers } = await send("HEAD", fileUrl(workspaceId, path), { signal });
        const modified = new Date(headers.get("Last-Modified") ?? 0).toISOString();
        return { size: Number(headers.get("Content-Length")), modified };
      } catch (failure) {
        if (failure instanceof ApiError && !failure.isOffline) return null;
        throw failure;
      }
    },
  });

const LOOK_MS = 4_000;

/** Whether a file is still the version that is known; asked for again while somebody has it open. */
export const versionQuery = (workspaceId: string, path: string, etag: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "version", path, etag],
    enabled: etag !== "",
    gcTime: 0,
    staleTime: 0,
    refetchInterval: LOOK_MS,
    queryFn: async ({ signal }): Promise<"same" | "changed" | "gone"> => {
      try {
        const headers = { "If-None-Match": etag };
        const response = await send("GET", fileUrl(workspaceId, path), { headers, signal });
        await response.body?.cancel();
        return "changed";
      } catch (failure) {
        if (failure instanceof ApiError && failure.status === 304) return "same";
        if (failure instanceof ApiError && failure.status === 404) return "gone";
        throw failure;
      }
    },
  });

/** Writes a file whole; with an etag only over that version. Returns the new version. */
export async function writeFile(
  workspaceId: string,
  path: string,
  text: string,
  etag: string,
): Promise<string> {
  const response = await send("PUT", fileUrl(workspaceId, path), {
    body: new Blob([text]),
    headers: { "Content-Type": "application/octet-stream", ...(etag && { "If-Match": etag }) },
  });
  return response.headers.get("ETag") ?? "";
}

export const removeEntry = (workspaceId: string, entry: Entry): Promise<unknown> =>
  request("DELETE", fileUrl(workspaceId, entry.path) + (entry.type === "directory" ? "?recursive=1" : ""));

export const moveEntry = (workspaceId: string, path: string, to: string): Promise<unknown> =>
  request("PATCH", fileUrl(workspaceId, path), { body: { to_encoded: to } });

export const changeMode = (workspaceId: string, path: string, mode: string): Promise<unknown> =>
  request("PATCH", fileUrl(workspaceId, path), { body: { mode } });

export const makeDirectory = (workspaceId: string, path: string): Promise<unknown> =>
  request("POST", workspacePath(workspaceId, "files", "mkdir"), {
    body: { path_encoded: path, parents: true },
  });
