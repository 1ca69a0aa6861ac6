import { keptStore, Store, useStore } from "./Store";

const PREFIX = "nixws.form.";
const stores = new Map<string, Store<unknown>>();

const isAnything = (value: unknown): value is unknown => value !== undefined;

function storeOf(name: string): Store<unknown> {
  let store = stores.get(name);
  if (!store) {
    store = keptStore<unknown>(`${PREFIX}${name}`, null, isAnything, sessionStorage);
    stores.set(name, store);
  }
  return store;
}

/**
 * What is filled into a form and not sent yet, null for nothing: outlives the form, and a reload of the page. What is
 * kept from another build of this page and is no `T` counts as nothing.
 */
export function useFormDraft<T>(
  name: string,
  isValid: (value: unknown) => value is T,
): [T | null, (value: T | null) => void] {
  const store = storeOf(name);
  const value = useStore(store);
  return [isValid(value) ? value : null, (next) => store.set(next)];
}

/** Fills a form from elsewhere, by what is in it. */
export const fillForm = (name: string, change: (before: unknown) => unknown): void =>
  storeOf(name).set(change);

/** Empties a form from elsewhere. */
export const clearForm = (name: string): void => storeOf(name).set(null);

/** Empties every form: somebody signs out. */
export function clearForms(): void {
  for (const store of stores.values()) store.set(null);
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
  }
}
