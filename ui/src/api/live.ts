import type { QueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Store, useStore } from "../shared/Store";
import type { WorkspaceEvent } from "./EventsSocket";
import type { Metrics } from "./types";

/** A part of a workspace that the service reads and tells only while somebody watches it. */
export type Topic = "usage" | "terminals" | "ports";
export type Wish = Readonly<Record<Topic, readonly string[]>>;

/** What a workspace used at one moment; null while it does not run. */
export interface Usage {
  at: number;
  metrics: Metrics | null;
}

/** What is open in a workspace; null where nobody can tell. */
export interface Open {
  terminals: number | null;
  /** Where a page may answer. */
  ports: readonly number[];
}

export const portsKey = (workspaceId: string) => ["workspace", workspaceId, "ports"] as const;
export const terminalsKey = (workspaceId: string) => ["workspace", workspaceId, "terminals"] as const;

/** The service refuses longer wishes; of too many, those that came last are watched. */
const MOST: Record<Topic, number> = { usage: 200, terminals: 16, ports: 16 };
/** Rows that come and go together become one wish, also those that pass by while somebody scrolls for a while. */
const TOGETHER_MS = 100;
const LONGEST_MS = 1_000;

const watched: Record<Topic, Map<string, number>> = {
  usage: new Map(),
  terminals: new Map(),
  ports: new Map(),
};

/** What the page watches at present. */
export const wish = new Store<Wish>({ usage: [], terminals: [], ports: [] });

let timer: ReturnType<typeof setTimeout> | undefined;
/** When the first change was made that is not in the wish yet. */
let changedAt = 0;

function settleSoon(): void {
  const now = Date.now();
  if (timer === undefined) changedAt = now;
  clearTimeout(timer);
  timer = setTimeout(settle, Math.min(TOGETHER_MS, changedAt + LONGEST_MS - now));
}

function settle(): void {
  timer = undefined;
  const next = {
    usage: [...watched.usage.keys()].slice(-MOST.usage),
    terminals: [...watched.terminals.keys()].slice(-MOST.terminals),
    ports: [...watched.ports.keys()].slice(-MOST.ports),
  };
  wish.set((before) => (JSON.stringify(before) === JSON.stringify(next) ? before : next));
}

/** Has the service tell a part of a workspace until the answer is called. */
export function watch(topic: Topic, id: string): () => void {
  const counts = watched[topic];
  counts.set(id, (counts.get(id) ?? 0) + 1);
  settleSoon();
  return () => {
    const left = (counts.get(id) ?? 1) - 1;
    if (left > 0) counts.set(id, left);
    else counts.delete(id);
    settleSoon();
  };
}

/** As `watch`, for as long as the caller is shown and `isWanted`. */
export function useWatch(topic: Topic, id: string, isWanted = true): void {
  useEffect(() => (isWanted ? watch(topic, id) : undefined), [topic, id, isWanted]);
}

/** One value for each workspace, made when it is first asked for. */
class ById<T> {
  readonly #stores = new Map<string, Store<T | null>>();

  of(id: string): Store<T | null> {
    let store = this.#stores.get(id);
    if (!store) {
      store = new Store<T | null>(null);
      this.#stores.set(id, store);
    }
    return store;
  }

  /** The value where one was told; asking makes none. */
  now(id: string): T | null {
    return this.#stores.get(id)?.get() ?? null;
  }

  forget(id: string): void {
    this.#stores.delete(id);
  }
}

const usages = new ById<Usage>();
const opens = new ById<Open>();

/** The last figures that were told of a workspace; they go on while it is watched. */
export const useUsage = (id: string): Usage | null => useStore(usages.of(id));

/** As `useUsage`, for one look. */
export const lastUsage = (id: string): Usage | null => usages.now(id);

/** What is open in a workspace, as it was last told; it goes on while its `usage` is watched. */
export const useOpen = (id: string): Open | null => useStore(opens.of(id));

/** As `useOpen`, for one look. */
export const lastOpen = (id: string): Open | null => opens.now(id);

/** Takes figures that came another way, as in the answer about one workspace. */
export const noteUsage = (id: string, usage: Usage): void => usages.of(id).set(usage);

/** When the terminals of a workspace were last changed from here, and how many changes are under way. */
const ownChanges = new Map<string, { at: number; pending: number }>();

/** Says that terminals are being changed from here: what is told meanwhile may be from before; returns its end. */
export function changingTerminals(id: string): () => void {
  const note = (by: 1 | -1) =>
    ownChanges.set(id, { at: performance.now(), pending: (ownChanges.get(id)?.pending ?? 0) + by });
  note(1);
  return () => note(-1);
}

const goneListeners = new Set<(id: string) => void>();

/** Calls `listener` with each workspace that is deleted, for what is kept of it elsewhere. */
export function onGone(listener: (id: string) => void): void {
  goneListeners.add(listener);
}

const LIVE = new Set([
  "workspace.usage",
  "workspace.open",
  "workspace.terminals",
  "workspace.listening",
  "workspace.ports",
]);

/** Whether an event tells what is watched, and so changes nothing of the workspaces themselves. */
export const isLive = (event: WorkspaceEvent): boolean => LIVE.has(event.type);

/** Takes what was told of watched workspaces, and forgets those that are gone. */
export function applyLive(client: QueryClient, events: readonly WorkspaceEvent[]): void {
  for (const event of events) {
    const id = event.workspace_id;
    if (!id) continue;
    if (event.type === "workspace.usage") {
      usages.of(id).set({ at: Date.parse(event.at ?? ""), metrics: event.metrics ?? null });
    } else if (event.type === "workspace.open") {
      opens.of(id).set(event.open ?? null);
    } else if (event.type === "workspace.terminals") {
      const { terminals, received = 0 } = event;
      const own = ownChanges.get(id);
      if (own && (own.pending > 0 || received < own.at)) continue;
      client.setQueryData(terminalsKey(id), (before: unknown) => before && terminals);
    } else if (event.type === "workspace.listening" || event.type === "workspace.ports") {
      void client.invalidateQueries({ queryKey: portsKey(id) });
    } else if (event.type === "workspace.deleted") {
      usages.forget(id);
      opens.forget(id);
      ownChanges.delete(id);
      for (const listener of goneListeners) listener(id);
    }
  }
}
