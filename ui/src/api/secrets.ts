import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request, workspacePath } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Secret = Schemas["SecretAnswer"];
export type SecretKind = Schemas["SecretKind"];
export type SecretList = Schemas["SecretList"];
export type Repository = Schemas["RepositoryAnswer"];
export type Profile = Schemas["ProfileAnswer"];

/** What is set: of a kind only its own fields. */
export interface SecretWish {
  kind: SecretKind;
  value: string;
  path?: string;
  host?: string;
  username?: string;
}

/** The secrets of a workspace, or of the signed-in person where none is given. */
const pathOf = (workspaceId: string | null): string =>
  workspaceId === null ? "/api/nixos/secrets" : workspacePath(workspaceId, "secrets");

const DELIVERY_MS = 3_000;

export const secretsQuery = (workspaceId: string | null) =>
  queryOptions({
    queryKey: workspaceId === null ? ["secrets"] : ["workspace", workspaceId, "secrets"],
    queryFn: ({ signal }) => request<SecretList>("GET", pathOf(workspaceId), { signal }),
    // A delivery that has a problem is tried again, which no event tells.
    refetchInterval: (query) => (query.state.data?.delivery?.problem ? DELIVERY_MS : false),
  });

export function useSetSecret(workspaceId: string | null) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, wish }: { name: string; wish: SecretWish }) =>
      request<Secret>("PUT", `${pathOf(workspaceId)}/${encodeURIComponent(name)}`, { body: wish }),
    // Nothing keeps the value: the mutation's own variables go with it.
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: secretsQuery(workspaceId).queryKey }),
  });
}

export function useDeleteSecret(workspaceId: string | null) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) =>
      request<SecretList>("DELETE", `${pathOf(workspaceId)}/${encodeURIComponent(name)}`),
    onSuccess: (list) => client.setQueryData(secretsQuery(workspaceId).queryKey, list),
  });
}

/** Has one's own secrets delivered to a workspace that came from another owner. */
export function useDeliverPersonal(workspaceId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () =>
      request<Schemas["OwnedAnswer"]>("PUT", workspacePath(workspaceId, "personal-secrets"), {
        body: { deliver: true },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: secretsQuery(workspaceId).queryKey }),
  });
}

export const profileQuery = queryOptions({
  queryKey: ["profile"],
  queryFn: ({ signal }) => request<Profile>("GET", "/api/nixos/profile", { signal }),
});

export function useSetDotfiles() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (dotfiles: { url: string; ref?: string } | null) =>
      request<Profile>("PUT", "/api/nixos/profile", { body: { dotfiles } }),
    onSuccess: (profile) => client.setQueryData(profileQuery.queryKey, profile),
  });
}

const CLONE_MS = 1_000;
const isUnderWay = ({ state }: Repository): boolean => state === "waiting" || state === "cloning";

/** The repositories of a workspace; looked at often for as long as one is being cloned. */
export const repositoriesQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "git"],
    queryFn: async ({ signal }) =>
      (
        await request<Schemas["RepositoryList"]>("GET", workspacePath(workspaceId, "git"), {
          signal,
        })
      ).repositories,
    refetchInterval: (query) => (query.state.data?.some(isUnderWay) ? CLONE_MS : false),
  });

/** Clones what was asked for before again, or puts the owner's dotfiles in again. */
export function useCloneAgain(workspaceId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (purpose: Repository["purpose"]) =>
      request<Schemas["RepositoryList"]>(
        "POST",
        workspacePath(workspaceId, purpose === "work" ? "git" : "dotfiles"),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: ["workspace", workspaceId] }),
  });
}

/** The address and the ref of `URL#REF`. */
export function repositoryOf(text: string): { url: string; ref?: string } | null {
  const [url = "", ref = ""] = text.trim().split("#", 2);
  if (!url) return null;
  return ref ? { url, ref } : { url };
}
