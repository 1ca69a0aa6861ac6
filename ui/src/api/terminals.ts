import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request, workspacePath } from "./client";
import { changingTerminals, terminalsKey } from "./live";
import { reasonOf } from "./mutations";
import { tell } from "../shared/toasts";

/** A terminal as the workspace's holder lists it. */
export interface TerminalInfo {
  id: string;
  name: string;
  title: string;
  process: string;
  cwd: string;
  exit_status: number | null;
}

/** Workspaces that were built by an older version do not tell what runs. */
const OLD_REFRESH_MS = 5_000;

/** The terminals of a workspace; the events socket keeps them up to date while they are watched. */
export const terminalsQuery = (workspaceId: string, isTold = true) =>
  queryOptions({
    queryKey: terminalsKey(workspaceId),
    refetchInterval: isTold ? false : OLD_REFRESH_MS,
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
  const settle = (_answer: unknown, _failure: unknown, _given: unknown, done?: () => void) => {
    done?.();
    void client.invalidateQueries({ queryKey });
  };
  const open = useMutation({
    mutationFn: async (cwd: string) =>
      (
        await request<{ terminal: TerminalInfo }>("POST", workspacePath(workspaceId, "terminals"), {
          body: { cols: 80, rows: 24, cwd },
        })
      ).terminal,
    onMutate: () => changingTerminals(workspaceId),
    onSuccess: (terminal) => put((all) => [...all.filter((one) => one.id !== terminal.id), terminal]),
    onError,
    onSettled: settle,
  });
  const rename = useMutation({
    mutationFn: ({ id, name }: { id: string; name: string }) =>
      request("PATCH", workspacePath(workspaceId, "terminals", id), { body: { name } }),
    onMutate: ({ id, name }) => {
      put((all) => all.map((one) => (one.id === id ? { ...one, name } : one)));
      return changingTerminals(workspaceId);
    },
    onError,
    onSettled: settle,
  });
  const end = useMutation({
    mutationFn: (id: string) => request("DELETE", workspacePath(workspaceId, "terminals", id)),
    onMutate: (id) => {
      put((all) => all.filter((one) => one.id !== id));
      return changingTerminals(workspaceId);
    },
    onError,
    onSettled: settle,
  });
  return { open, rename, end };
}

const SHELLS = /^-?(ba|z|fi|da|k|tc|c|a)?sh$|^(nu|elvish|xonsh|pwsh)$/;

/** Whether something runs that would end with its terminal: not a shell that waits for the next command. */
export const isBusy = ({ process, exit_status }: Pick<TerminalInfo, "process" | "exit_status">): boolean =>
  exit_status === null && process !== "" && !SHELLS.test(process);
