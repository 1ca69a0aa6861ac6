import { backoff } from "../shared/backoff";
import { Store } from "../shared/Store";
import { ApiError, send, workspacePath } from "./client";

export interface LineState<T> {
  lines: readonly T[];
  /** How many lines fell out at the front because there were too many to show. */
  dropped: number;
  /** The service has begun to tell it; before that nobody knows whether there is any. */
  isOpen: boolean;
  /** The stream broke off and is being opened again. */
  isBroken: boolean;
}

export const KEPT_LINES = 5_000;
const FLUSH_MS = 60;
const EMPTY: LineState<never> = { lines: [], dropped: 0, isOpen: false, isBroken: false };

/** Reads newline-delimited JSON as it comes; a line may arrive in any number of pieces. */
export async function* jsonLines(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const pieces = (rest + value).split("\n");
    rest = pieces.pop() ?? "";
    for (const piece of pieces) if (piece) yield JSON.parse(piece);
  }
  if (rest) yield JSON.parse(rest);
}

/** What one workspace tells line by line; a broken stream begins again from the start and replaces what was there. */
export class LineStream<T extends { text: string }> {
  readonly state = new Store<LineState<T>>(EMPTY);
  readonly #path: string;
  readonly #query: Record<string, string>;
  #abort = new AbortController();
  #pending: T[] = [];
  #fresh = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string, what: "logs" | "journal", query: Record<string, string> = { follow: "1" }) {
    this.#path = workspacePath(id, what);
    this.#query = query;
  }

  open(): void {
    this.#abort = new AbortController();
    void this.#run(this.#abort.signal);
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const response = await send("GET", this.#path, { query: this.#query, signal });
        this.#fresh = true;
        this.#pending = [];
        this.state.set((state) => ({ ...state, isOpen: true, isBroken: false }));
        for await (const line of jsonLines(response.body as ReadableStream<Uint8Array>)) {
          attempt = 0;
          this.#add(line as T);
        }
        this.#flush();
      } catch (failure) {
        if (signal.aborted) return;
        if (failure instanceof ApiError && failure.status >= 400 && failure.status < 500) return;
      }
      this.state.set((state) => ({ ...state, isBroken: true }));
      await new Promise((resolve) => setTimeout(resolve, backoff(attempt, Math.random())));
    }
  }

  #add(line: T): void {
    if (typeof line.text !== "string") return;
    this.#pending.push(line);
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const before: LineState<T> = this.#fresh ? EMPTY : this.state.get();
    const all = [...before.lines, ...this.#pending];
    const over = Math.max(0, all.length - KEPT_LINES);
    this.#pending = [];
    this.#fresh = false;
    const lines = over ? all.slice(over) : all;
    this.state.set({ lines, dropped: before.dropped + over, isOpen: true, isBroken: false });
  }
}
