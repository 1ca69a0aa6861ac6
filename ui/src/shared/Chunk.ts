import { backoff } from "./backoff";
import { Store } from "./Store";

/**
 * A part of the program that is fetched when it is wanted. `away` says why it is not there: the service does not answer,
 * or it answers and has another build of this page.
 */
export type ChunkState<T> =
  { kind: "loading" } | { kind: "here"; module: T } | { kind: "away"; reason: "offline" | "replaced" };

/** One part of the program: fetched once, tried again for as long as somebody wants it and it does not come. */
export class Chunk<T> {
  readonly state = new Store<ChunkState<T>>({ kind: "loading" });
  readonly #fetch: () => Promise<T>;
  readonly #answers: () => Promise<boolean>;
  #wanted = 0;
  #attempt = 0;
  #loading: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(fetchModule: () => Promise<T>, answers: () => Promise<boolean> = serviceAnswers) {
    this.#fetch = fetchModule;
    this.#answers = answers;
  }

  /** Fetches it; resolves when it is there or did not come, never rejects. */
  load = (): Promise<void> => {
    if (this.state.get().kind === "here") return Promise.resolve();
    clearTimeout(this.#timer);
    this.#loading ??= this.#run().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  };

  /** Fetches it and goes on trying until it is there or the returned function is called. */
  want = (): (() => void) => {
    this.#wanted += 1;
    void this.load();
    return () => {
      this.#wanted -= 1;
      if (this.#wanted === 0) clearTimeout(this.#timer);
    };
  };

  async #run(): Promise<void> {
    try {
      this.state.set({ kind: "here", module: await this.#fetch() });
    } catch {
      // One failure beside an answer may be a service that came back in between: the second one counts.
      const isReplaced = (await this.#answers()) && this.#attempt > 0;
      this.state.set({ kind: "away", reason: isReplaced ? "replaced" : "offline" });
      if (this.#wanted > 0) this.#timer = setTimeout(this.load, backoff(this.#attempt, Math.random()));
      this.#attempt += 1;
    }
  }
}

async function serviceAnswers(): Promise<boolean> {
  try {
    return (await fetch("/healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

const all = new Set<() => Promise<void>>();

/** Has a part of the program fetched with all others once the page has nothing else to do. */
export function preloaded(load: () => Promise<unknown>): void {
  all.add(async () => void (await load()));
}

/** The page has nothing else to do, or has had for so many milliseconds. */
export const whenIdle = (timeout = 2_000): Promise<void> =>
  new Promise((resolve) => {
    if ("requestIdleCallback" in globalThis) requestIdleCallback(() => resolve(), { timeout });
    else setTimeout(resolve, 200);
  });

/** Fetches every part of the program, one after the other, so that a click needs no answer of the service for its view. */
export async function preloadChunks(): Promise<void> {
  await whenIdle();
  for (const load of all) {
    // Forty parts would come too late on a busy machine, each after its two seconds.
    await whenIdle(100);
    // What does not come now is tried again when it is wanted.
    await load().catch(() => undefined);
  }
}
