import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type User = Schemas["UserAnswer"];
export type Group = Schemas["GroupAnswer"];
export type Quota = Schemas["QuotaAnswer"];
export type Amounts = Schemas["AmountsAnswer"];
export type ApiToken = Schemas["TokenAnswer"];
export type TokenMade = Schemas["TokenMade"];
export type BrowserSession = Schemas["UserSessionAnswer"];
export type Identity = Schemas["IdentityAnswer"];
export type DeviceLogin = Schemas["DeviceDetail"];

const ROOT = "/api/nixos";

/** The scopes that a token may have. */
export const SCOPES = [
  "workspaces:read",
  "workspaces:write",
  "terminals:attach",
  "files:read",
  "files:write",
  "network",
  "secrets",
  "audit:read",
  "metrics:read",
  "admin",
] as const;
export const ROLES = ["admin", "member", "auditor"] as const;
export const DIMENSIONS = ["workspaces", "running", "cpu", "memory", "storage"] as const;

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => request<Schemas["UserDetail"]>("GET", `${ROOT}/me`, { signal }),
});

export const tokensQuery = queryOptions({
  queryKey: ["me", "tokens"],
  queryFn: ({ signal }) => request<Schemas["TokenList"]>("GET", `${ROOT}/tokens`, { signal }),
});

export const sessionsQuery = queryOptions({
  queryKey: ["me", "sessions"],
  queryFn: ({ signal }) => request<Schemas["UserSessionList"]>("GET", `${ROOT}/sessions`, { signal }),
});

export const identitiesQuery = queryOptions({
  queryKey: ["me", "identities"],
  queryFn: ({ signal }) => request<Schemas["IdentityList"]>("GET", `${ROOT}/me/identities`, { signal }),
});

export const ownQuotasQuery = queryOptions({
  queryKey: ["me", "quotas"],
  queryFn: ({ signal }) => request<Schemas["OwnQuotasAnswer"]>("GET", `${ROOT}/quotas/me`, { signal }),
});

export const usersQuery = queryOptions({
  queryKey: ["people", "users"],
  queryFn: ({ signal }) => request<Schemas["UserList"]>("GET", `${ROOT}/users`, { signal }),
});

export const groupsQuery = queryOptions({
  queryKey: ["people", "groups"],
  queryFn: ({ signal }) => request<Schemas["GroupList"]>("GET", `${ROOT}/groups`, { signal }),
});

export const quotasQuery = queryOptions({
  queryKey: ["people", "quotas"],
  queryFn: ({ signal }) => request<Schemas["QuotaList"]>("GET", `${ROOT}/quotas`, { signal }),
});

/** Asks about one user, group, token, session or device login. */
export const ask = <T = void>(
  method: string,
  parts: readonly string[],
  body?: Record<string, unknown>,
): Promise<T> => {
  const path = [ROOT, ...parts.map(encodeURIComponent)].join("/");
  return request<T>(method, path, body && { body });
};
