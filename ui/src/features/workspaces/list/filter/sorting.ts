import { type Metrics, STATUSES, type Workspace } from "../../../../api/types";

export const SORTS = ["created", "name", "status", "cpu", "memory", "storage", "size", "used"] as const;
export type SortKey = (typeof SORTS)[number];

/** A property and its direction; each property has one that is asked for first. */
export interface Sorting {
  key: SortKey;
  isReversed: boolean;
}

export const NEWEST: Sorting = { key: "created", isReversed: false };

/** Properties that change all the time: an order by them is no order for long. */
export const isLive = (key: SortKey): boolean => key === "cpu" || key === "memory";

/** Reads `name` or, the other way round, `-name`; anything else is the usual order. */
export function sortingOf(text: unknown): Sorting {
  if (typeof text !== "string") return NEWEST;
  const isReversed = text.startsWith("-");
  const key = SORTS.find((one) => one === (isReversed ? text.slice(1) : text));
  return key ? { key, isReversed } : NEWEST;
}

/** The same as a text; empty for the usual order. */
export const sortText = ({ key, isReversed }: Sorting): string =>
  isReversed ? `-${key}` : key === NEWEST.key ? "" : key;

/** The order after a press on a column's head: first its own direction, then the other one, then the usual order. */
export function pressed({ key, isReversed }: Sorting, column: SortKey): Sorting {
  if (key !== column) return { key: column, isReversed: false };
  return isReversed ? NEWEST : { key, isReversed: true };
}

/** The last figures of a workspace; null for none. */
export type Figures = (workspace: Workspace) => Metrics | null;

const down = (a: string, b: string): number => (a < b ? 1 : a > b ? -1 : 0);
const byName = (a: Workspace, b: Workspace): number => down(b.name, a.name);
const NOTHING = -1;

/** All workspaces in an order; equal ones by name. To be done once for all filters, as filtering keeps the order. */
export function sorted(
  workspaces: readonly Workspace[],
  { key, isReversed }: Sorting,
  figures: Figures,
): Workspace[] {
  const use = (workspace: Workspace, of: "cpu_usage" | "memory_usage") => figures(workspace)?.[of] ?? NOTHING;
  const orders: Record<SortKey, (a: Workspace, b: Workspace) => number> = {
    name: byName,
    status: (a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status),
    created: (a, b) => down(a.created_at, b.created_at),
    used: (a, b) => down(a.last_accessed, b.last_accessed),
    cpu: (a, b) => use(b, "cpu_usage") - use(a, "cpu_usage"),
    memory: (a, b) => use(b, "memory_usage") - use(a, "memory_usage"),
    storage: (a, b) => b.storage - a.storage,
    size: (a, b) => b.cpu - a.cpu || b.memory - a.memory,
  };
  const order = orders[key];
  return isReversed
    ? workspaces.toSorted((a, b) => order(b, a) || byName(a, b))
    : workspaces.toSorted((a, b) => order(a, b) || byName(a, b));
}
