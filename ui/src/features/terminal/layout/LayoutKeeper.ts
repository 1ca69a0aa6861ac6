import { ApiError } from "../../../api/client";
import { type Layout, readLayout, replaceLayout, type StoredLayout } from "../../../api/layouts";
import { keptStore, Store } from "../../../shared/Store";
import { connection } from "../../../shared/connection";
import { isLayout, type LayoutAction, layoutAfter, NO_LAYOUT } from "./layout";

const SAVE_MS = 400;
/** What runs in terminals is news to another browser only, and changes with every command. */
const REMEMBER_MS = 5_000;
const AGAIN_MS = 10_000;

interface Kept extends StoredLayout {
  /** It has changes that the service does not have. */
  isChanged: boolean;
}

function isKept(value: unknown): value is Kept {
  const kept = value as Partial<Kept> | null;
  return typeof kept?.version === "number" && typeof kept.isChanged === "boolean" && isLayout(kept.layout);
}

interface Service {
  read: (workspaceId: string) => Promise<StoredLayout>;
  replace: (workspaceId: string, version: number, layout: Layout) => Promise<StoredLayout>;
}

const SERVICE: Service = { read: readLayout, replace: replaceLayout };
const CONFLICT = 409;

/**
 * How a workspace's terminals are arranged. The service keeps it; this browser's copy is what is shown, also while the
 * service is away. Changes are stored with the version that they were made from: where another window was faster, what
 * it stored is taken and the own changes are made to that.
 */
export class LayoutKeeper {
  readonly layout: Store<Layout>;
  readonly #workspaceId: string;
  readonly #service: Service;
  readonly #kept: Store<Kept>;
  /** What was done since the service's version was read; lost with a reload, which keeps the outcome. */
  #actions: LayoutAction[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;
  #isSaving = false;
  #newer: StoredLayout | null = null;
  /** What was sent since something was known to be stored, and how many actions had made it. */
  #sent: { layout: Layout; count: number }[] = [];

  constructor(workspaceId: string, service = SERVICE) {
    this.#workspaceId = workspaceId;
    this.#service = service;
    const none: Kept = { version: 0, layout: NO_LAYOUT, isChanged: false };
    this.#kept = keptStore(`nixws.layout.${workspaceId}`, none, isKept);
    this.layout = new Store(this.#kept.get().layout);
    if (this.#kept.get().isChanged) this.#saveWithin(SAVE_MS);
    connection.subscribe(() => {
      if (connection.get() === "open" && this.#kept.get().isChanged) this.#saveWithin(0);
    });
  }

  dispatch(action: LayoutAction): void {
    const before = this.#kept.get();
    const layout = layoutAfter(before.layout, action);
    if (isSame(layout, before.layout)) return;
    this.#actions.push(action);
    this.#put({ ...before, layout, isChanged: true });
    this.#saveWithin(isArrangedAs(layout, before.layout) ? REMEMBER_MS : SAVE_MS);
  }

  /** The service has this; own changes that it does not have are made to it again. */
  take(stored: StoredLayout): void {
    if (this.#isSaving) {
      this.#newer = stored;
      return;
    }
    const { version, layout, isChanged } = this.#kept.get();
    if (stored.version === version || (stored.version > 0 && stored.version < version)) return;
    // It was stored, only the answer was lost: made once more, a change would count twice.
    const sent = this.#sent.find((one) => isSame(one.layout, stored.layout));
    if (sent) this.#confirm(sent.count);
    // What this browser had arranged before anything was stored is not thrown away.
    if (stored.version === 0) {
      this.#put({ version: 0, layout, isChanged: layout.tabs.length > 0 });
    } else {
      const own = isChanged ? this.#actions : [];
      const next = own.reduce(layoutAfter, stored.layout);
      this.#put({ version: stored.version, layout: next, isChanged: !isSame(next, stored.layout) });
      this.#actions = own;
    }
    if (this.#kept.get().isChanged) this.#saveWithin(SAVE_MS);
  }

  /** The service has what the first so many actions made. */
  #confirm(count: number): void {
    this.#actions = this.#actions.slice(count);
    this.#sent = [];
  }

  #put(kept: Kept): void {
    this.#kept.set(kept);
    if (!isSame(kept.layout, this.layout.get())) this.layout.set(kept.layout);
  }

  #saveWithin(milliseconds: number): void {
    const due = Date.now() + milliseconds;
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => void this.#save(), milliseconds);
  }

  async #save(): Promise<void> {
    this.#due = Infinity;
    if (this.#isSaving || !this.#kept.get().isChanged) return;
    this.#isSaving = true;
    const { version, layout } = this.#kept.get();
    const count = this.#actions.length;
    this.#sent.push({ layout, count });
    let isAway = false;
    try {
      const stored = await this.#service.replace(this.#workspaceId, version, layout);
      this.#confirm(count);
      const now = this.#kept.get().layout;
      this.#kept.set({ version: stored.version, layout: now, isChanged: !isSame(now, layout) });
    } catch (error) {
      const isOvertaken = error instanceof ApiError && error.status === CONFLICT;
      isAway = !isOvertaken;
      if (isOvertaken) this.#newer = await this.#service.read(this.#workspaceId).catch(() => null);
    }
    this.#isSaving = false;
    const newer = this.#newer;
    this.#newer = null;
    if (newer) this.take(newer);
    if (this.#kept.get().isChanged) this.#saveWithin(isAway ? AGAIN_MS : SAVE_MS);
  }
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

const isArrangedAs = (one: Layout, other: Layout): boolean =>
  isSame([one.tabs, one.boot], [other.tabs, other.boot]) && isSame(namesOf(one), namesOf(other));

const namesOf = ({ terminals }: Layout) =>
  Object.entries(terminals).map(([id, { name, ended }]) => [id, name, ended]);

const keepers = new Map<string, LayoutKeeper>();

/** The one keeper of a workspace's arrangement; also while it does not run. */
export function layoutKeeper(workspaceId: string): LayoutKeeper {
  const keeper = keepers.get(workspaceId) ?? new LayoutKeeper(workspaceId);
  keepers.set(workspaceId, keeper);
  return keeper;
}
