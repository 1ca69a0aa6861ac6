import { queryOptions } from "@tanstack/react-query";
import { request, workspacePath } from "./client";

export type Direction = "row" | "column";

/** One terminal in its place; `share` is its part of the split that it is in, beside the shares of the others. */
export interface Pane {
  terminal: string;
  share: number;
}

/** Places beside (row) or below (column) each other. */
export interface Split {
  direction: Direction;
  parts: readonly LayoutNode[];
  share: number;
}

export type LayoutNode = Pane | Split;

/** What is worth remembering of a terminal once it has ended. */
export interface Remembered {
  /** The name it was given; empty for none. */
  name: string;
  /** What ran in it last. */
  process: string;
  cwd: string;
  /** It ended because its workspace stopped, and keeps its place until it is opened again or closed. */
  ended: boolean;
}

/** A workspace's terminals as somebody has arranged them. */
export interface Layout {
  /** What stands in each tab. */
  tabs: readonly LayoutNode[];
  /** The terminal that was used last; empty for none. */
  front: string;
  terminals: Readonly<Record<string, Remembered>>;
  /** When the workspace was started whose terminals are known; empty before the first look. */
  boot: string;
}

export interface StoredLayout {
  /** 0 where nothing is stored. */
  version: number;
  layout: Layout;
}

const pathOf = (workspaceId: string): string => workspacePath(workspaceId, "terminal-layout");

export const readLayout = (workspaceId: string, signal?: AbortSignal): Promise<StoredLayout> =>
  request<StoredLayout>("GET", pathOf(workspaceId), { signal });

/** How the signed-in person has arranged a workspace's terminals, whether it runs or not. */
export const layoutQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["workspace", workspaceId, "terminal-layout"],
    queryFn: ({ signal }) => readLayout(workspaceId, signal),
    staleTime: Infinity,
    gcTime: 0,
  });

/** Stores what follows `version`; refused (409) where another window has stored something since. */
export const replaceLayout = (workspaceId: string, version: number, layout: Layout): Promise<StoredLayout> =>
  request<StoredLayout>("PUT", pathOf(workspaceId), { body: { version, layout } });
