import { queryOptions } from "@tanstack/react-query";
import { request, send, workspacePath } from "../../api/client";
import { type Cast, readCast } from "./cast";

export interface Recording {
  id: string;
  terminal_id: string;
  started_at: string;
  ended_at: string | null;
  state: "running" | "complete" | "cut";
  reason: "" | "turned_off" | "not_stored" | "terminal_gone";
  missing: number;
  sha256: string;
}

export interface Found {
  recording: Recording;
  lines: { at_ms: number; text: string }[];
}

export interface Choices {
  record: boolean;
  moderated: boolean;
  policy: "off" | "optional" | "required";
}

export interface Typed {
  at_ms: number;
  name: string;
  first: number;
  end: number;
}

export const recordingsKey = (workspaceId: string) => ["recordings", workspaceId] as const;

const REFRESH_MS = 5_000;

export const recordingsQuery = (workspaceId: string, q: string) =>
  queryOptions({
    queryKey: [...recordingsKey(workspaceId), q],
    refetchInterval: q ? false : REFRESH_MS,
    queryFn: async ({ signal }) =>
      (
        await request<{ recordings: Found[] }>("GET", workspacePath(workspaceId, "recordings"), {
          query: { q },
          signal,
        })
      ).recordings,
  });

export const choicesQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["terminal-choices", workspaceId],
    queryFn: ({ signal }) =>
      request<Choices>("GET", workspacePath(workspaceId, "terminal-choices"), { signal }),
  });

export const choose = (workspaceId: string, { record, moderated }: Choices) =>
  request<Choices>("PUT", workspacePath(workspaceId, "terminal-choices"), { body: { record, moderated } });

export const castPath = (workspaceId: string, id: string): string =>
  workspacePath(workspaceId, "recordings", id, "cast");

/** A recording with who typed when; one that still runs is read as far as it has come. */
export const castQuery = (workspaceId: string, id: string) =>
  queryOptions({
    queryKey: ["cast", workspaceId, id],
    gcTime: 0,
    queryFn: async ({ signal }): Promise<{ cast: Cast; typed: Typed[] }> => {
      const [file, { typed }] = await Promise.all([
        send("GET", castPath(workspaceId, id), { signal }).then((answer) => answer.text()),
        request<{ typed: Typed[] }>("GET", workspacePath(workspaceId, "recordings", id, "typed"), { signal }),
      ]);
      return { cast: readCast(file), typed };
    },
  });
