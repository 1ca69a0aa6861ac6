import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { ApiError, type Proof, proveBy, request, workspacePath } from "./client";
import { noteUsage } from "./live";
import { whenIdle } from "../shared/Chunk";
import type { components } from "./schema";
import type {
  Capacity,
  Difference,
  Generation,
  Health,
  MetricsHistory,
  Package,
  Session,
  Span,
  SshKeys,
  Template,
  Workspace,
  WorkspaceDetail,
} from "./types";

const PAGE = 200;
/** More than a window shows; the page itself asks for these beside the program (`Link` of `pages.py`). */
const FIRST_PAGE = 50;

/**
 * Every page of the list, one after the other; `onFirst` gets the first as soon as it is there, and has the page to
 * itself until that is shown: the others would take turns with the drawing of it.
 */
async function everyWorkspace(
  signal: AbortSignal,
  onFirst: (some: Workspace[]) => void,
): Promise<Workspace[]> {
  const found: Workspace[] = [];
  let cursor: string | undefined;
  do {
    const page = await request<components["schemas"]["WorkspaceList"]>("GET", "/api/nixos/workspaces", {
      query: { limit: found.length === 0 ? FIRST_PAGE : PAGE, cursor },
      signal,
    });
    cursor = page.next_cursor ?? undefined;
    if (cursor && found.length === 0) {
      onFirst(page.workspaces);
      await whenIdle();
    }
    found.push(...page.workspaces);
  } while (cursor);
  return found;
}

/** Who is signed in; null for nobody. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  staleTime: 5 * 60_000,
  queryFn: async ({ signal }): Promise<Session | null> => {
    try {
      const session = await request<Session & Proof>("GET", "/api/nixos/session", { signal });
      proveBy(session);
      return session;
    } catch (failure) {
      if (failure instanceof ApiError && failure.status === 401) return null;
      throw failure;
    }
  },
});

/** Every workspace that may be seen; the events socket keeps it up to date. */
export const workspacesQuery = queryOptions({
  queryKey: ["workspaces"],
  queryFn: ({ client, queryKey, signal }) =>
    everyWorkspace(signal, (some) => {
      if (!client.getQueryData(queryKey)) client.setQueryData(queryKey, some);
    }),
});

export const workspaceKey = (id: string) => ["workspace", id] as const;

/** What no event tells, such as processes that were killed for want of memory, is this old at most. */
const DETAIL_MS = 60_000;

/** One workspace in full; the events socket keeps it up to date. */
export const workspaceQuery = (id: string) =>
  queryOptions({
    queryKey: workspaceKey(id),
    queryFn: async ({ signal }) => {
      const { workspace } = await request<{ workspace: WorkspaceDetail }>("GET", workspacePath(id), {
        signal,
      });
      noteUsage(workspace.id, { at: Date.now(), metrics: workspace.metrics });
      return workspace;
    },
    refetchInterval: (query) => (query.state.data?.status === "running" ? DETAIL_MS : false),
  });

const HISTORY_MS: Record<Span, number> = { "5m": 10_000, "1h": 10_000, "24h": 60_000, "7d": 60_000 };

/** What a workspace used until now. */
export const historyQuery = (id: string, span: Span) =>
  queryOptions({
    queryKey: ["workspace", id, "history", span],
    refetchInterval: HISTORY_MS[span],
    queryFn: ({ signal }) =>
      request<MetricsHistory>("GET", workspacePath(id, "metrics", "history"), { query: { span }, signal }),
  });

export const generationsQuery = (id: string) =>
  queryOptions({
    queryKey: ["workspace", id, "generations"],
    queryFn: async ({ signal }) =>
      (await request<{ generations: Generation[] }>("GET", workspacePath(id, "generations"), { signal }))
        .generations,
  });

/** How the system of a generation differs from an earlier one's; neither ever changes. */
export const differenceQuery = (id: string, from: number, to: number) =>
  queryOptions({
    queryKey: ["workspace", id, "difference", from, to],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) =>
      request<Difference>("GET", workspacePath(id, "generations", String(from), "diff"), {
        query: { to },
        signal,
      }),
  });

export const templatesQuery = queryOptions({
  queryKey: ["templates"],
  staleTime: 10 * 60_000,
  queryFn: async ({ signal }) =>
    (await request<{ templates: Template[] }>("GET", "/api/nixos/templates", { signal })).templates,
});

const UNAVAILABLE = 503;
const INDEX_TRIES = 100;
const INDEX_PAUSE_MS = 2_000;
const isNotReady = (failure: Error): boolean => failure instanceof ApiError && failure.status === UNAVAILABLE;

export const packagesQuery = (text: string) =>
  queryOptions({
    queryKey: ["packages", text],
    staleTime: 10 * 60_000,
    placeholderData: keepPreviousData,
    // The index of a large set is made when it is first asked for: this waits for it instead of giving up.
    retry: (count, failure) => isNotReady(failure) && count < INDEX_TRIES,
    retryDelay: INDEX_PAUSE_MS,
    queryFn: ({ signal }) =>
      request<{ packages: Package[]; package_set: string }>("GET", "/api/nixos/packages", {
        query: { query: text, limit: 30 },
        signal,
      }),
  });

export const healthQuery = queryOptions({
  queryKey: ["health"],
  staleTime: 10_000,
  queryFn: ({ signal }) => request<Health>("GET", "/api/nixos/health", { signal }),
});

/** The caller's public SSH keys. */
export const sshKeysQuery = queryOptions({
  queryKey: ["ssh-keys"],
  queryFn: ({ signal }) => request<SshKeys>("GET", "/api/nixos/ssh-keys", { signal }),
});

/** What the machine has left; null while its engine does not answer. */
export const capacityQuery = queryOptions({
  ...healthQuery,
  select: (health): Capacity | null => health.capacity,
});
