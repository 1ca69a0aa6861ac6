import { files as texts } from "../../shared/i18n/files.en";
import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { reasonOf } from "../../api/mutations";
import { ApiError, request, send, workspacePath } from "../../api/client";
import type { components } from "../../api/schema";
import type { MessageKey } from "../../shared/i18n/en";
import { addEnglish, currentTranslate } from "../../shared/i18n/messages";
import { baseName, inQuery, shown } from "./paths";

addEnglish(texts);

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
/** Names of one directory that are shown. */
export const MOST = 20_000;
/** Others write into it as well. */
const DIRECTORY_MS = 15_000;
const LARGE_DIRECTORY_MS = 60_000;

/** Address of one file; `path` is encoded already. */
export const fileUrl = (workspaceId: string, path: string): string =>
  `${workspacePath(workspaceId, "files")}${path}`;

/** Address of a directory as zip, or of chosen names in it. */
export const archiveUrl = (workspaceId: string, path: string, only: readonly Entry[] = []): string =>
  `${fileUrl(workspaceId, path)}?archive=zip` +
  (only.length > 0 ? `&only=${only.map((one) => inQuery(baseName(one.path))).join("/")}` : "");

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
    queryFn: async ({ signal, client, queryKey }): Promise<Entry[]> => {
      const isFirst = client.getQueryData(queryKey) === undefined;
      let entries: Entry[] = [];
      let cursor = "";
      do {
        const page: Page = await request(
          "GET",
          `${workspacePath(workspaceId, "files")}?path=${inQuery(path)}&limit=${PAGE}&hidden=${hidden ? 1 : 0}` +
            (cursor && `&cursor=${encodeURIComponent(cursor)}`),
          { signal },
        );
        entries = [...entries, ...page.files];
        cursor = page.next_cursor ?? "";
        // Nobody waits for the last name of a large directory to see the first ones.
        if (isFirst && cursor) client.setQueryData(queryKey, entries);
      } while (cursor && entries.length < MOST);
      return entries;
    },
    refetchInterval: (query): number =>
      ((query.state.data as Entry[] | undefined)?.length ?? 0) > PAGE ? LARGE_DIRECTORY_MS : DIRECTORY_MS,
  });

const READ_PROBLEMS: Record<string, MessageKey> = {
  permission_denied: "files.mayNotRead",
  file_not_found: "files.missing",
  not_a_directory: "files.noDirectory",
  is_a_directory: "files.notAFile",
  not_a_file: "files.notAFile",
};

/** Why something cannot be looked at: the service's own words are about any use of it. */
export const readProblem = (failure: Error, path: string): string =>
  failure instanceof ApiError && failure.code in READ_PROBLEMS
    ? currentTranslate()(READ_PROBLEMS[failure.code] ?? "files.missing", { path: shown(path) })
    : reasonOf(failure);

/** A file's content with its version. */
export interface FileContent {
  /** Null where it is too large to be shown. */
  blob: Blob | null;
  size: number;
  etag: string;
}

/** What is larger is downloaded, not looked at. */
const MOST_SHOWN_BYTES = 20 << 20;

export const fileQuery = (workspaceId: string, path: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "file", path],
    staleTime: 0,
    gcTime: 0,
    refetchOnWindowFocus: false,
    queryFn: async ({ signal }): Promise<FileContent> => {
      const response = await send("GET", fileUrl(workspaceId, path), { signal });
      const etag = response.headers.get("ETag") ?? "";
      const size = Number(response.headers.get("Content-Length"));
      if (size > MOST_SHOWN_BYTES) {
        await response.body?.cancel();
        return { blob: null, size, etag };
      }
      const blob = await response.blob();
      return { blob, size: blob.size, etag };
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

/** What a file was and is not any more after it was written. */
export type Loss = components["schemas"]["Loss"];

/**
 * Writes a file whole; with an etag only over that version. Owner, group and hard links are kept where that can be.
 * Returns the new version, and what could not be kept.
 */
export async function writeFile(
  workspaceId: string,
  path: string,
  text: string,
  etag: string,
): Promise<{ etag: string; lost: readonly Loss[] }> {
  const response = await send("PUT", fileUrl(workspaceId, path), {
    query: { in_place: 1 },
    body: new Blob([text]),
    headers: { "Content-Type": "application/octet-stream", ...(etag && { "If-Match": etag }) },
  });
  const { lost } = (await response.json()) as components["schemas"]["WrittenAnswer"];
  return { etag: response.headers.get("ETag") ?? "", lost: lost ?? [] };
}

/** Makes an empty file where nothing is. */
export const createFile = (workspaceId: string, path: string): Promise<unknown> =>
  send("PUT", fileUrl(workspaceId, path), {
    body: new Blob([]),
    headers: { "Content-Type": "application/octet-stream", "If-None-Match": "*" },
  });

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
