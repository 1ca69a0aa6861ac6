import { STATUSES, type Status, type Workspace } from "../api/types";

export const SORTS = ["created", "name", "status", "used", "cpu", "memory"] as const;
export type SortKey = (typeof SORTS)[number];

/** What the list shows; lives in the address, so that it can be kept, sent and gone back to. */
export interface ListFilter {
  /** Words, and `status:` or `template:` terms. */
  q: string;
  status: Status | "";
  template: string;
  sort: SortKey;
}

export const NO_FILTER: ListFilter = { q: "", status: "", template: "", sort: "created" };

const isStatus = (text: unknown): text is Status => STATUSES.includes(text as Status);
const isSort = (text: unknown): text is SortKey => SORTS.includes(text as SortKey);

/** Reads the filter out of an address; anything unreadable is no filter. */
export function filterOf(search: Record<string, unknown>): ListFilter {
  return {
    q: typeof search.q === "string" || typeof search.q === "number" ? String(search.q).slice(0, 200) : "",
    status: isStatus(search.status) ? search.status : "",
    template: typeof search.template === "string" ? search.template.slice(0, 63) : "",
    sort: isSort(search.sort) ? search.sort : "created",
  };
}

export function isFiltering(filter: ListFilter): boolean {
  return filter.q.trim() !== "" || filter.status !== "" || filter.template !== "";
}

type Test = (workspace: Workspace) => boolean;

function testOf(term: string): Test {
  const [, key, value = ""] = /^(status|template):(.*)$/.exec(term) ?? [];
  if (key === "status") return (workspace) => workspace.status.startsWith(value);
  if (key === "template") return (workspace) => workspace.template.startsWith(value);
  return (workspace) =>
    workspace.name.includes(term) || workspace.id.includes(term) || workspace.packages.includes(term);
}

const BY_NAME = (a: Workspace, b: Workspace) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

const ORDERS: Record<SortKey, (a: Workspace, b: Workspace) => number> = {
  name: BY_NAME,
  status: (a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status),
  created: (a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : 0),
  used: (a, b) => (a.last_accessed < b.last_accessed ? 1 : a.last_accessed > b.last_accessed ? -1 : 0),
  cpu: (a, b) => b.cpu - a.cpu,
  memory: (a, b) => b.memory - a.memory,
};

/** The workspaces that pass, in the wanted order; equal ones by name. */
export function filtered(workspaces: readonly Workspace[], filter: ListFilter): Workspace[] {
  const terms = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  const tests: Test[] = terms.map(testOf);
  if (filter.status) tests.push((workspace) => workspace.status === filter.status);
  if (filter.template) tests.push((workspace) => workspace.template === filter.template);
  const order = ORDERS[filter.sort];
  return workspaces
    .filter((workspace) => tests.every((test) => test(workspace)))
    .toSorted((a, b) => order(a, b) || BY_NAME(a, b));
}

/** A filter as it stands in an address: only what differs from no filter, and whether the form for a new one is open. */
export interface ListSearch {
  q?: string;
  status?: Status;
  template?: string;
  sort?: SortKey;
  new?: true;
}

export function searchOf(search: Record<string, unknown>): ListSearch {
  const filter = filterOf(search);
  return {
    ...(filter.q && { q: filter.q }),
    ...(filter.status && { status: filter.status }),
    ...(filter.template && { template: filter.template }),
    ...(filter.sort !== NO_FILTER.sort && { sort: filter.sort }),
    ...((search.new === true || search.new === "true") && { new: true as const }),
  };
}
