import { useSyncExternalStore } from "react";

/** A value outside React that components can watch; for what outlives any one of them. */
export class Store<T> {
  readonly #listeners = new Set<() => void>();
  #value: T;

  constructor(initial: T) {
    this.#value = initial;
  }

  get = (): T => this.#value;

  set(change: T | ((value: T) => T)): void {
    const next = typeof change === "function" ? (change as (value: T) => T)(this.#value) : change;
    if (Object.is(next, this.#value)) return;
    this.#value = next;
    for (const listener of this.#listeners) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** A store that survives a reload, in this browser or (session storage) in this window; what cannot be read or kept is silently the initial value. */
export function keptStore<T>(
  key: string,
  initial: T,
  isValid: (value: unknown) => value is T,
  storage: Storage = localStorage,
): Store<T> {
  let start = initial;
  try {
    const kept: unknown = JSON.parse(storage.getItem(key) ?? "null");
    if (isValid(kept)) start = kept;
  } catch {
    start = initial;
  }
  const store = new Store(start);
  store.subscribe(() => {
    try {
      storage.setItem(key, JSON.stringify(store.get()));
    } catch {
      // A full or forbidden storage costs the memory of a preference, nothing else.
    }
  });
  return store;
}
