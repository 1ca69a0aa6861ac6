import { randomName } from "./random";

const KEY = "nixws.page";
const TRIES = 20;
const PAUSE_MS = 50;

let own = "";

const lockOf = (name: string): string => `nixws.page.${name}`;

/** Takes a name for as long as this page lives; false if another page has it. */
function take(name: string): Promise<boolean> {
  if (!("locks" in navigator)) return Promise.resolve(true);
  return new Promise((resolve) => {
    void navigator.locks.request(lockOf(name), { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => undefined);
    });
  });
}

/**
 * Gives this window the name that it had before a reload. A duplicated window has the other one's memory: it gets a name
 * of its own, so that nothing is sent twice. To be called once, before anything asks for the name.
 */
export async function nameThisPage(): Promise<void> {
  own = sessionStorage.getItem(KEY) ?? "";
  for (let attempt = 0; own && !(await take(own)); attempt += 1) {
    // The page before the reload may not be quite gone.
    if (attempt < TRIES) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    else own = "";
  }
  if (own) return;
  own = randomName();
  await take(own);
  sessionStorage.setItem(KEY, own);
}

/** The name of this window, which it keeps across reloads. */
export const pageName = (): string => own;

/** The windows that are open now, by name; null where the browser does not tell. */
export async function openPages(): Promise<ReadonlySet<string> | null> {
  if (!("locks" in navigator)) return null;
  const { held = [] } = await navigator.locks.query();
  const prefix = lockOf("");
  return new Set(
    held.flatMap(({ name = "" }) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : [])),
  );
}
