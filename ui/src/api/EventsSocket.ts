import { backoff } from "../shared/backoff";
import type { Fault, Metrics, Progress, Status, Workspace } from "./types";

/** One message of `/ws/nixos/events`; fields that this UI does not know are ignored. */
export interface WorkspaceEvent {
  type: string;
  workspace_id?: string | null;
  workspace?: Workspace;
  status?: Status;
  progress?: Progress | null;
  fault?: Fault | null;
  metrics?: Metrics;
}

export type EventsState = "connecting" | "open" | "waiting" | "closed";

export interface EventsOptions {
  url: string;
  onEvents: (events: WorkspaceEvent[]) => void;
  /** What was missed cannot be told: everything must be read again. */
  onGap: () => void;
  onState: (state: EventsState) => void;
  /** The service refused the session. */
  onRefused: () => void;
  makeSocket?: (url: string) => WebSocket;
  random?: () => number;
}

const CLOSE_UNAUTHENTICATED = 4401;
const PING_MS = 15_000;
const SILENCE_MS = 35_000;
const BATCH_MS = 40;

/** The page's one socket for changes; connects again for as long as it is not closed. */
export class EventsSocket {
  readonly #options: EventsOptions;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #openedBefore = false;
  #closed = false;
  #heard = 0;
  #batch: WorkspaceEvent[] = [];
  #batchTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  connect = (): void => {
    clearTimeout(this.#retryTimer);
    if (this.#closed || this.#socket) return;
    // While it is being tried again nothing has got better yet.
    if (this.#attempt === 0) this.#options.onState("connecting");
    const make = this.#options.makeSocket ?? ((url: string) => new WebSocket(url));
    const socket = make(this.#options.url);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#onOpen(socket));
    socket.addEventListener("message", (event) => this.#onMessage(event.data));
    socket.addEventListener("close", (event) => this.#onClose(socket, event.code));
  };

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#batchTimer);
    clearInterval(this.#pingTimer);
    this.#socket?.close();
    this.#socket = null;
    this.#options.onState("closed");
  }

  #onOpen(socket: WebSocket): void {
    this.#attempt = 0;
    this.#heard = Date.now();
    this.#options.onState("open");
    if (this.#openedBefore) this.#options.onGap();
    this.#openedBefore = true;
    this.#pingTimer = setInterval(() => {
      if (Date.now() - this.#heard > SILENCE_MS) this.#onClose(socket, 0);
      else socket.send('{"type":"ping"}');
    }, PING_MS);
  }

  #onMessage(data: unknown): void {
    this.#heard = Date.now();
    let event: WorkspaceEvent;
    try {
      event = JSON.parse(String(data)) as WorkspaceEvent;
    } catch {
      return;
    }
    if (event.type === "lagged") this.#options.onGap();
    else if (event.type.startsWith("workspace.")) this.#collect(event);
  }

  /** Many events at once (a hundred workspaces that start) become one change of the cache. */
  #collect(event: WorkspaceEvent): void {
    this.#batch.push(event);
    this.#batchTimer ??= setTimeout(() => {
      const batch = this.#batch;
      this.#batch = [];
      this.#batchTimer = undefined;
      this.#options.onEvents(batch);
    }, BATCH_MS);
  }

  #onClose(socket: WebSocket, code: number): void {
    if (this.#closed || this.#socket !== socket) return;
    this.#socket = null;
    clearInterval(this.#pingTimer);
    socket.close();
    if (code === CLOSE_UNAUTHENTICATED) this.#options.onRefused();
    this.#options.onState("waiting");
    const wait = backoff(this.#attempt, (this.#options.random ?? Math.random)());
    this.#attempt += 1;
    this.#retryTimer = setTimeout(this.connect, wait);
  }
}
