import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request, workspacePath } from "./client";
import { putDetail } from "./cache";
import type { components } from "./schema";
import type { WorkspaceDetail } from "./types";

type Schemas = components["schemas"];
export type Advice = Schemas["AdviceAnswer"];
export type Autoscale = Schemas["AutoscaleAnswer"];
export type ScalingDecision = Schemas["ScalingDecisionAnswer"];
export type AutoscaleWish = Schemas["AutoscaleRequest"];

const LOOK_MS = 15_000;

export const adviceQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "advice"],
    queryFn: ({ signal }) => request<Advice>("GET", workspacePath(workspaceId, "advice"), { signal }),
  });

export const autoscaleQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "autoscale"],
    queryFn: ({ signal }) => request<Autoscale>("GET", workspacePath(workspaceId, "autoscale"), { signal }),
    // What changes by itself is told by no event of its own.
    refetchInterval: LOOK_MS,
  });

/** Changes the size as was advised, if that is still the advice. */
export function useApplyAdvice(workspaceId: string) {
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: adviceQuery(workspaceId).queryKey });
  return useMutation({
    mutationFn: async (version: string) =>
      (
        await request<{ workspace: WorkspaceDetail }>("POST", workspacePath(workspaceId, "advice/apply"), {
          headers: { "If-Match": `"${version}"` },
        })
      ).workspace,
    onSuccess: (detail) => putDetail(client, detail),
    onSettled: refresh,
  });
}

/** Has a workspace change size by itself; null leaves it the size that was chosen. */
export function useChangeAutoscale(workspaceId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wish: AutoscaleWish | null) =>
      wish
        ? request<Autoscale>("PUT", workspacePath(workspaceId, "autoscale"), { body: wish })
        : request<Autoscale>("DELETE", workspacePath(workspaceId, "autoscale")),
    onSuccess: (answer) => client.setQueryData(autoscaleQuery(workspaceId).queryKey, answer),
  });
}

/** Makes a workspace larger for a while; null ends that. */
export function useBoost(workspaceId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wish: Schemas["BoostRequest"] | null) =>
      wish
        ? request<Autoscale>("POST", workspacePath(workspaceId, "boost"), { body: wish })
        : request<Autoscale>("DELETE", workspacePath(workspaceId, "boost")),
    onSuccess: (answer) => client.setQueryData(autoscaleQuery(workspaceId).queryKey, answer),
  });
}
