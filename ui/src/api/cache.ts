import type { Query, QueryClient } from "@tanstack/react-query";
import type { WorkspaceEvent } from "./EventsSocket";
import { capacityQuery, workspaceKey, workspacesQuery } from "./queries";
import { summaryOf, type Workspace, type WorkspaceDetail } from "./types";

/** The list with one workspace put in place of the one with its id, or first if it is new. */
export function upserted(list: readonly Workspace[], workspace: Workspace): Workspace[] {
  const index = list.findIndex((item) => item.id === workspace.id);
  return index < 0 ? [workspace, ...list] : list.with(index, workspace);
}

/** The views of one workspace: an address may hold its name in the id's place. */
export const viewsOf = (id: string) => ({
  predicate: ({ queryKey, state }: Query): boolean =>
    queryKey[0] === workspaceKey(id)[0] &&
    queryKey.length === 2 &&
    (queryKey[1] === id || (state.data as WorkspaceDetail | undefined)?.id === id),
});

function changed<T extends Workspace | WorkspaceDetail>(workspace: T, event: WorkspaceEvent): T {
  const { status, progress, fault } = event.workspace ?? event;
  return {
    ...workspace,
    ...(event.workspace && { name: event.workspace.name }),
    ...(status !== undefined && { status }),
    ...(progress !== undefined && { progress }),
    ...(fault !== undefined && { fault }),
  };
}

/** The list after some events; an event for an unknown workspace counts only if it carries all of it. */
export function listAfter(list: readonly Workspace[], events: readonly WorkspaceEvent[]): Workspace[] {
  const byId = new Map(list.map((workspace) => [workspace.id, workspace]));
  const fresh: Workspace[] = [];
  for (const event of events) {
    const id = event.workspace_id ?? event.workspace?.id;
    if (!id) continue;
    const known = byId.get(id);
    if (event.type === "workspace.deleted") byId.delete(id);
    else if (known) byId.set(id, { ...changed(known, event), ...event.workspace });
    else if (event.workspace) {
      fresh.unshift(event.workspace);
      byId.set(id, event.workspace);
    }
  }
  const kept = list.flatMap((workspace) => byId.get(workspace.id) ?? []);
  return [...fresh.flatMap((workspace) => byId.get(workspace.id) ?? []), ...kept];
}

const SETTLED = new Set(["running", "stopped", "paused", "error"]);

/** A status without the workspace it belongs to. */
const isNews = (event: WorkspaceEvent): boolean => event.type === "workspace.status" && !event.workspace;

/** Brings what was told by the socket into what is shown. */
export function applyEvents(client: QueryClient, events: readonly WorkspaceEvent[]): void {
  const list = client.getQueryData(workspacesQuery.queryKey);
  if (list) client.setQueryData(workspacesQuery.queryKey, listAfter(list, events));
  const known = new Set(list?.map((workspace) => workspace.id));
  if (events.some((event) => isNews(event) && event.workspace_id && !known.has(event.workspace_id))) {
    void client.invalidateQueries({ queryKey: workspacesQuery.queryKey });
  }
  // What the machine has left changes with who runs on it.
  const isGone = events.some(({ type }) => type === "workspace.deleted");
  if (isGone || events.some(({ type }) => type === "workspace.status")) {
    void client.invalidateQueries({ queryKey: capacityQuery.queryKey }, { cancelRefetch: isGone });
  }
  for (const event of events) {
    const id = event.workspace_id;
    if (!id) continue;
    if (event.type === "workspace.layout") {
      void client.invalidateQueries({ queryKey: [...workspaceKey(id), "terminal-layout"] });
      continue;
    }
    if (event.type === "workspace.offered") {
      void client.invalidateQueries({ queryKey: ["transfers"] });
      continue;
    }
    if (event.type === "workspace.network") {
      void client.invalidateQueries({ queryKey: [...workspaceKey(id), "network"] });
      continue;
    }
    if (event.type === "workspace.deleted") {
      // Whoever looks at it asks again and is told that it is gone.
      void client.resetQueries(viewsOf(id));
      continue;
    }
    if (event.type === "workspace.shares") {
      // Somebody else has it now, or it is no more of the reader's: then they are told that it is gone.
      void client.invalidateQueries({ queryKey: [...workspaceKey(id), "shares"] });
      if (event.workspace) void client.invalidateQueries(viewsOf(id));
      else {
        void client.resetQueries(viewsOf(id));
        void client.invalidateQueries({ queryKey: workspacesQuery.queryKey });
      }
      continue;
    }
    const { phases } = event;
    client.setQueriesData<WorkspaceDetail>(
      viewsOf(id),
      (detail) => detail && { ...changed(detail, event), ...(phases && { phases }) },
    );
    const status = event.workspace?.status ?? event.status;
    if (event.type === "workspace.status" && status && SETTLED.has(status)) {
      void client.invalidateQueries({ queryKey: workspaceKey(id) });
      void client.invalidateQueries(viewsOf(id));
    }
  }
}

/** Brings a workspace that an answer gave in full into the list and its own view. */
export function putDetail(client: QueryClient, detail: WorkspaceDetail): void {
  client.setQueryData(workspaceKey(detail.id), detail);
  client.setQueriesData<WorkspaceDetail>(viewsOf(detail.id), detail);
  client.setQueryData(workspacesQuery.queryKey, (list) => list && upserted(list, summaryOf(detail)));
}
