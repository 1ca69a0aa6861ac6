import { useMutation, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { currentTranslate } from "../shared/i18n/messages";
import { amend, begin, cancelTasks } from "./tasks";
import { tell } from "../shared/toasts";
import { putDetail, viewsOf } from "./cache";
import { ApiError, request, workspacePath } from "./client";
import { workspacesQuery } from "./queries";
import {
  EXPECTED,
  type Plan,
  type PlanRequest,
  type Status,
  type Workspace,
  type WorkspaceChange,
  type WorkspaceConfig,
  type WorkspaceDetail,
  type WorkspaceVerb,
} from "./types";

/** Says what went wrong, in the language in force. */
export function reasonOf(failure: unknown): string {
  if (failure instanceof ApiError) return currentTranslate().problem(failure);
  return failure instanceof Error ? failure.message : String(failure);
}

function perform(verb: WorkspaceVerb, id: string): Promise<{ workspace: WorkspaceDetail }> {
  return verb === "delete" ? request("DELETE", workspacePath(id)) : request("POST", workspacePath(id, verb));
}

/** Shows a status before the service has told it; returns the way back. */
function showStatus(client: QueryClient, id: string, status: Status): () => void {
  const list = client.getQueryData(workspacesQuery.queryKey);
  const before = list?.find((item) => item.id === id)?.status;
  const put = (next: Status, only?: Status) => {
    const change = <T extends { status: Status }>(item: T): T =>
      only && item.status !== only ? item : { ...item, status: next };
    client.setQueryData(workspacesQuery.queryKey, (all) =>
      all?.map((item) => (item.id === id ? change(item) : item)),
    );
    client.setQueriesData<WorkspaceDetail>(viewsOf(id), (detail) => detail && change(detail));
  };
  put(status);
  return () => before && put(before, status);
}

/** Does a verb to a workspace: shown at once, rolled back and told about when it fails. */
async function act(client: QueryClient, verb: WorkspaceVerb, workspace: Pick<Workspace, "id" | "name">) {
  const t = currentTranslate();
  const action = t(`action.${verb}`);
  const task = begin(t("action.of", { action, name: workspace.name }), workspace.id);
  const undo = showStatus(client, workspace.id, EXPECTED[verb]);
  try {
    const answer = await perform(verb, workspace.id);
    putDetail(client, answer.workspace);
  } catch (failure) {
    undo();
    amend(task, { state: "failed", message: reasonOf(failure) });
    throw failure;
  }
}

/** Cancels a creation: a workspace that never ran has nothing to lose, so it goes without a question. */
export function useCancelCreation() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id }: Pick<Workspace, "id" | "name">) => {
      const undo = showStatus(client, id, EXPECTED.delete);
      try {
        putDetail(client, (await perform("delete", id)).workspace);
      } catch (failure) {
        undo();
        throw failure;
      }
      cancelTasks(id);
    },
    onSuccess: (_, { name }) => tell("success", currentTranslate()("create.cancelled", { name })),
    onError: (failure) => tell("error", reasonOf(failure), requestOf(failure)),
  });
}

/** One verb for one workspace; a failure becomes a toast. */
export function useVerb() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ verb, workspace }: { verb: WorkspaceVerb; workspace: Pick<Workspace, "id" | "name"> }) =>
      act(client, verb, workspace),
    onError: (failure, { verb, workspace }) => {
      const t = currentTranslate();
      const action = t(`action.${verb}`);
      tell(
        "error",
        t("action.failed", { action, name: workspace.name, reason: reasonOf(failure) }),
        requestOf(failure),
      );
    },
  });
}

function requestOf(failure: unknown): string | undefined {
  if (!(failure instanceof ApiError) || !failure.requestId) return undefined;
  return currentTranslate()("app.requestId", { id: failure.requestId });
}

const AT_ONCE = 6;

/** One verb for many workspaces; resolves to the failures, each with its reason. */
export function useBulkVerb() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ verb, workspaces }: { verb: WorkspaceVerb; workspaces: readonly Workspace[] }) => {
      const failures: { workspace: Workspace; reason: string }[] = [];
      const queue = [...workspaces];
      const worker = async () => {
        for (let next = queue.shift(); next; next = queue.shift()) {
          const workspace = next;
          await act(client, verb, workspace).catch((failure: unknown) => {
            failures.push({ workspace, reason: reasonOf(failure) });
          });
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      return failures;
    },
    onSuccess: (failures, { verb, workspaces }) => {
      const t = currentTranslate();
      const action = t(`action.${verb}`);
      const count = workspaces.length;
      if (failures.length === 0) {
        tell("success", t("bulk.done", { done: count, count, action }));
        return;
      }
      const detail = failures.map(({ workspace, reason }) => `${workspace.name}: ${reason}`).join("\n");
      tell("error", t("bulk.failed", { failed: failures.length, count, action }), detail);
    },
  });
}

/** Makes a workspace; the same key is sent again when the same form is sent again, so that it is made once. */
export function useCreateWorkspace() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ config, key }: { config: WorkspaceConfig; key: string }) => {
      const answer = await request<{ workspace: WorkspaceDetail }>("POST", "/api/nixos/workspaces/create", {
        body: config,
        headers: { "Idempotency-Key": key },
      });
      return answer.workspace;
    },
    onSuccess: (workspace) => {
      begin(currentTranslate()("tasks.create", { name: workspace.name }), workspace.id);
      putDetail(client, workspace);
      void client.invalidateQueries({ queryKey: ["health"] });
    },
  });
}

/** Parts of a change that are there as soon as they are asked for: no task goes on after the answer. */
const AT_ONCE_CHANGED = new Set(["name", "ports"]);

/** Changes the name, the size or the environment of a workspace. */
export function useChangeWorkspace(workspace: Pick<Workspace, "id" | "name">) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (change: WorkspaceChange) =>
      (await request<{ workspace: WorkspaceDetail }>("PATCH", workspacePath(workspace.id), { body: change }))
        .workspace,
    onSuccess: (detail, change) => {
      if (!Object.keys(change).every((part) => AT_ONCE_CHANGED.has(part))) {
        begin(currentTranslate()("tasks.change", { name: workspace.name }), workspace.id);
      }
      putDetail(client, detail);
    },
  });
}

/** Tells what a change would do to a workspace, before it is made. */
export function usePlan(workspace: Pick<Workspace, "id">) {
  return useMutation({
    mutationFn: async (change: PlanRequest) =>
      (await request<{ plan: Plan }>("POST", workspacePath(workspace.id, "plan"), { body: change })).plan,
  });
}

/** Builds a workspace's environment again, or goes back to an older generation of it. */
export function useRebuild(workspace: Pick<Workspace, "id" | "name">) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (generation?: number) =>
      (
        await request<{ workspace: WorkspaceDetail }>("POST", workspacePath(workspace.id, "rebuild"), {
          body: generation === undefined ? {} : { generation },
        })
      ).workspace,
    onSuccess: (detail) => {
      begin(currentTranslate()("tasks.change", { name: workspace.name }), workspace.id);
      putDetail(client, detail);
      void client.invalidateQueries({ queryKey: ["workspace", workspace.id, "generations"] });
    },
    onError: (failure) => tell("error", reasonOf(failure), requestOf(failure)),
  });
}

/** Ends or begins the browser's session. */
export const signIn = (credential: string): Promise<unknown> => {
  const looksLikeLink = /[?&]code=([^&\s]+)/.exec(credential);
  const code = looksLikeLink?.[1] ? decodeURIComponent(looksLikeLink[1]) : credential;
  return request("POST", "/api/nixos/login", { body: { code } }).catch((failure: unknown) => {
    if (looksLikeLink || !(failure instanceof ApiError) || failure.isOffline) throw failure;
    return request("POST", "/api/nixos/login", { body: { token: code } });
  });
};

export const signInWithPassword = (handle: string, password: string): Promise<unknown> =>
  request("POST", "/api/nixos/login", { body: { handle, password } });

/** Where it says an address, the browser signs out there, too. */
export const signOut = (): Promise<{ url: string } | undefined> => request("POST", "/api/nixos/logout");
