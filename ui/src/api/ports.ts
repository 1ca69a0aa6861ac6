import { queryOptions, useQuery } from "@tanstack/react-query";
import { request, workspacePath } from "./client";
import { portsKey, useWatch } from "./live";
import type { components } from "./schema";

export type Port = components["schemas"]["PortAnswer"];
export type SharedPort = components["schemas"]["SharedPort"];
export type Visibility = Port["visibility"];

export const portsQuery = (id: string) =>
  queryOptions({
    queryKey: portsKey(id),
    queryFn: async ({ signal }) =>
      (await request<{ ports: Port[] }>("GET", workspacePath(id, "ports"), { signal })).ports,
  });

/** What listens in a workspace, or is shown to others; told anew within a second while the caller is shown. */
export function usePorts(id: string, isWanted: boolean): readonly Port[] | undefined {
  useWatch("ports", id, isWanted);
  return useQuery({ ...portsQuery(id), enabled: isWanted }).data;
}

/** What is worth a click: it listens, and speaks HTTP as far as can be guessed. */
export const isPage = (port: Port): boolean =>
  port.listening && port.protocol === "http" && port.url !== null;

/** Address of the page of this UI that opens a preview: a link to it works in a tab of its own, too. */
export function openPath(url: string): string {
  return `/previews?${new URLSearchParams({ to: url }).toString()}`;
}

/** As `openPath`, for a port of which only the number is known. */
export function openPortPath(id: string, port: number, path: string): string {
  return `/previews?${new URLSearchParams({ workspace: id, port: String(port), path }).toString()}`;
}

/** Opens something beside this page, which that cannot reach. */
export const openBeside = (path: string): void => void window.open(path, "_blank", "noopener,noreferrer");

export const readPort = (id: string, port: number): Promise<Port> =>
  request<Port>("GET", workspacePath(id, "ports", String(port)));

/** An address that opens a preview once. */
export const ticketFor = async (url: string): Promise<string> =>
  (await request<{ url: string }>("POST", "/api/nixos/previews", { body: { url } })).url;

/** Shows a port to these people; `seconds` of 0 are the usual time. */
export const showPort = (
  id: string,
  port: number,
  visibility: Visibility,
  seconds: number,
): Promise<SharedPort> =>
  request<SharedPort>("PUT", workspacePath(id, "ports", String(port)), {
    body: { visibility, expires_in: seconds },
  });
