/** What is to be opened: an address of a preview, or a port of a workspace with the path in it. */
export interface OpenSearch {
  to?: string;
  workspace?: string;
  port?: number;
  path?: string;
}

export function openSearchOf(search: Record<string, unknown>): OpenSearch {
  const port = Number(search.port);
  return {
    ...(typeof search.to === "string" && { to: search.to }),
    ...(typeof search.workspace === "string" && { workspace: search.workspace }),
    ...(Number.isInteger(port) && port > 0 && { port }),
    ...(typeof search.path === "string" && { path: search.path }),
  };
}
