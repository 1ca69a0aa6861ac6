import { queryOptions } from "@tanstack/react-query";
import { request, workspacePath } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Share = Schemas["ShareAnswer"];
export type ShareMade = Schemas["ShareDetail"];
export type ShareWish = Schemas["ShareRequest"];
export type Joined = Schemas["JoinAnswer"];

const LOOK_MS = 5_000;

/** Those who have a workspace besides its owner; somebody may knock at any time. */
export const sharesQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "shares"],
    queryFn: async ({ signal }) =>
      (await request<Schemas["ShareList"]>("GET", workspacePath(workspaceId, "shares"), { signal })).shares,
    refetchInterval: LOOK_MS,
  });

export const share = (workspaceId: string, wish: ShareWish): Promise<ShareMade> =>
  request<ShareMade>("POST", workspacePath(workspaceId, "shares"), { body: wish });

export const admit = (workspaceId: string, shareId: string): Promise<ShareMade> =>
  request<ShareMade>("POST", workspacePath(workspaceId, "shares", shareId, "admit"));

export const unshare = (workspaceId: string, shareId: string): Promise<void> =>
  request("DELETE", workspacePath(workspaceId, "shares", shareId));

/** Takes what a link shares; as a guest of that name where one is given. */
export const join = (secret: string, name: string | null): Promise<Joined> =>
  name === null
    ? request<Joined>("POST", "/api/nixos/join", { body: { secret } })
    : request<Joined>("POST", "/api/nixos/join-as-guest", { body: { secret, name } });
