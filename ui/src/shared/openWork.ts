import type { MessageKey } from "./i18n/en";
import { Store } from "./Store";

/** Something that somebody has begun and that is not finished: it outlives every view, and leaving the page asks. */
export interface OpenWork {
  id: string;
  /** Says what it is, with the name in it. */
  text: MessageKey;
  name: string;
  workspaceId: string;
  /** The part of the workspace where it goes on. */
  view: "files" | "terminal";
  search: { path?: string; file?: string; t?: string };
  /** How far it is, from 0 to 1; null for what only waits. */
  fraction: number | null;
  /** Gives it up. */
  drop: () => void;
}

export const openWork = new Store<readonly OpenWork[]>([]);

/** Puts something into what is open, or in the place of what has its id; `null` takes it out. */
export function setWork(id: string, work: Omit<OpenWork, "id"> | null): void {
  openWork.set((all) => {
    const at = all.findIndex((one) => one.id === id);
    if (!work) return at < 0 ? all : all.toSpliced(at, 1);
    return at < 0 ? [...all, { id, ...work }] : all.with(at, { id, ...work });
  });
}

/** Gives up everything: somebody signs out, and the next one must not find it. */
export function dropWork(): void {
  for (const { drop } of openWork.get()) drop();
}

const ask = (event: BeforeUnloadEvent): void => event.preventDefault();

/** Has the browser ask before the page is left, for as long as something is open. */
export function guardLeaving(): void {
  let isGuarded = false;
  openWork.subscribe(() => {
    const isOpen = openWork.get().length > 0;
    if (isOpen === isGuarded) return;
    isGuarded = isOpen;
    if (isOpen) addEventListener("beforeunload", ask);
    else removeEventListener("beforeunload", ask);
  });
}
