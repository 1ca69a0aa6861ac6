import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request, workspacePath } from "../api/client";
import { reasonOf } from "../api/mutations";
import { tell } from "../shared/toasts";

/** A terminal as the workspace's holder lists it. */
export interface TerminalInfo {
  id: string;
  name: string;
  title: string;
  process: string;
  exit_status: number | null;
}

const REFRESH_MS = 10_000;

export const terminalsQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "terminals"],
    refetchInterval: REFRESH_MS,
    // Terminals end with their workspace: what was known before a stop says nothing after it.
    gcTime: 0,
    queryFn: async ({ signal }) =>
      (
        await request<{ terminals: TerminalInfo[] }>("GET", workspacePath(workspaceId, "terminals"), {
          signal,
        })
      ).terminals,
  });

const onError = (failure: unknown) => tell("error", reasonOf(failure));

/** Opening, naming and ending the terminals of one workspace. */
export function useTerminals(workspaceId: string) {
  const client = useQueryClient();
  const { queryKey } = terminalsQuery(workspaceId);
  const put = (change: (all: TerminalInfo[]) => TerminalInfo[]) =>
    client.setQueryData(queryKey, (all) => change(all ?? []));
  const settle = () => void client.invalidateQueries({ queryKey });
  const open = useMutation({
    mutationFn: async () =>
      (
        await request<{ terminal: TerminalInfo }>("POST", workspacePath(workspaceId, "terminals"), {
          body: { cols: 80, rows: 24 },
        })
      ).terminal,
    onSuccess: (terminal) => put((all) => [...all.filter((one) => one.id !== terminal.id), terminal]),
    onError,
  });
  const rename = useMutation({
    mutationFn: ({ id, name }: { id: string; name: string }) =>
      request("PATCH", workspacePath(workspaceId, "terminals", id), { body: { name } }),
    onMutate: ({ id, name }) => put((all) => all.map((one) => (one.id === id ? { ...one, name } : one))),
    onError,
    onSettled: settle,
  });
  const end = useMutation({
    mutationFn: (id: string) => request("DELETE", workspacePath(workspaceId, "terminals", id)),
    onMutate: (id) => put((all) => all.filter((one) => one.id !== id)),
    onError,
    onSettled: settle,
  });
  return { open, rename, end };
}
