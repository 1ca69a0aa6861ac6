import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request, workspacePath } from "../../api/client";
import type { Mode, WantedEntry } from "../../api/network";
import type { components } from "../../api/schema";

type Schemas = components["schemas"];

export type Network = Schemas["NetworkDetail"];
export type Entry = Schemas["EntryAnswer"];
export type Denied = Schemas["DeniedAnswer"];
export type Proposal = Schemas["ProposalAnswer"];

/** The part of a network that is asked for as a whole. */
export interface Policy {
  mode: Mode;
  allow: readonly WantedEntry[];
  deny: readonly WantedEntry[];
}

/** Everything of a workspace's network lies below this key: one event tells that it changed. */
const keyOf = (id: string) => ["workspace", id, "network"] as const;

/** Refused connections are asked for this often while somebody looks. */
const DENIED_MS = 2_000;

export const networkQuery = (id: string) =>
  queryOptions({
    queryKey: keyOf(id),
    queryFn: async ({ signal }) =>
      (await request<{ network: Network }>("GET", workspacePath(id, "network"), { signal })).network,
    // Until the engine has taken it, and while it learns, no event tells the next change.
    refetchInterval: ({ state }) =>
      state.data && (!state.data.in_force || state.data.learning) ? 2_000 : false,
  });

export const deniedQuery = (id: string) =>
  queryOptions({
    queryKey: [...keyOf(id), "denied"],
    queryFn: async ({ signal }) =>
      (await request<{ denied: Denied[] }>("GET", workspacePath(id, "network", "denied"), { signal })).denied,
    refetchInterval: DENIED_MS,
  });

export const proposalsQuery = (id: string) =>
  queryOptions({
    queryKey: [...keyOf(id), "proposals"],
    queryFn: async ({ signal }) =>
      (await request<{ proposals: Proposal[] }>("GET", workspacePath(id, "network", "proposals"), { signal }))
        .proposals,
  });

/** An entry of an answer as it is asked for. */
export const wanted = ({ name, cidr, ports, expires_at }: Entry): WantedEntry => ({
  ...(name !== null && { name }),
  ...(cidr !== null && { cidr }),
  ports,
  expires_at,
});

export const policyOf = (network: Network): Policy => ({
  mode: network.mode,
  allow: network.allow.map(wanted),
  deny: network.deny.map(wanted),
});

/** Does something to a network; the answer, or what is read anew, is shown. */
function useNetworkCall<T>(id: string, call: (given: T) => Promise<{ network?: Network }>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: call,
    onSuccess: ({ network }) => {
      if (network) client.setQueryData(networkQuery(id).queryKey, network);
    },
    onSettled: () => client.invalidateQueries({ queryKey: keyOf(id) }),
  });
}

/** Replaces the policy of the version that was read. */
export const usePolicy = (id: string) =>
  useNetworkCall(id, ({ policy, version }: { policy: Policy; version: number }) =>
    request("PUT", workspacePath(id, "network"), { body: { ...policy, version } }),
  );

export const useApproval = (id: string) =>
  useNetworkCall(id, ({ proposal, ...how }: { proposal: string; ttl?: string; mode?: Mode }) =>
    request("POST", workspacePath(id, "network", "proposals", proposal, "approve"), { body: how }),
  );

export const useRejection = (id: string) =>
  useNetworkCall(id, (proposal: string) =>
    request("POST", workspacePath(id, "network", "proposals", proposal, "reject")),
  );

/** Begins to learn for a length of time, ends it with a proposal, or without. */
export const useLearning = (id: string) =>
  useNetworkCall(id, (what: { begin: string } | "finish" | "cancel") => {
    const path = workspacePath(id, "network", "learn");
    if (what === "cancel") return request("DELETE", path);
    if (what === "finish") return request("POST", workspacePath(id, "network", "learn", "finish"));
    return request("POST", path, { body: { for: what.begin } });
  });
