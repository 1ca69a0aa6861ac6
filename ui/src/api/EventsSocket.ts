import { backoff } from "../shared/backoff";
import type { Open, Wish } from "./live";
import type { TerminalInfo } from "./terminals";
import type { Fault, Metrics, PhaseTime, Progress, Status, Workspace } from "./types";

/** One message of `/ws/nixos/events`; fields that this UI does not know are ignored. */
export interface WorkspaceEvent {
  type: string;
  workspace_id?: string | null;
  workspace?: Workspace;
  status?: Status;
  progress?: Progress | null;
  /** The times of the present work's phases; not part of what lists show. */
  phases?: PhaseTime[];
  fault?: Fault | null;
  /** Of a watched workspace: when its figures were read, and what they are; null while it does not run. */
  at?: string;
  metrics?: Metrics | null;
  /** Of a watched workspace: what is open in it. */
  open?: Open;
  /** Of a watched workspace: all of its terminals. */
  terminals?: TerminalInfo[];
  /** Of a workspace that rests soon: its name and what happens to it. */
  name?: string;
  step?: string;
  /** Of a workspace whose budget has passed a threshold: how much is used up, and whether its end stops workspaces. */
  percent?: number;
  stops?: boolean;
  kind?: "user" | "group" | "workspace";
  /** When it reached this page (`performance.now`). */
  received?: number;
}

import type { ConnectionState } from "../shared/connection";

export interface EventsOptions {
  url: string;
  onEvents: (events: WorkspaceEvent[]) => void;
  /** What was missed cannot be told: everything must be read again. */
  onGap: () => void;
  onState: (state: ConnectionState) => void;
  /** The service refused the session. */
  onRefused: () => void;
  makeSocket?: (url: string) => WebSocket;
  random?: () => number;
}

const CLOSE_UNAUTHENTICATED = 4401;
const CLOSE_ABNORMAL = 1006;
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
  /** Nobody answered, as opposed to a service that refused. */
  #isUnreachable = false;
  #heard = 0;
  #isOpen = false;
  #wish: Wish = { usage: [], terminals: [], ports: [] };
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

  /** Says what is to be told from now on; said again by itself after every break. */
  watch = (wish: Wish): void => {
    this.#wish = wish;
    if (this.#isOpen) this.#sendWish();
  };

  #sendWish(): void {
    this.#socket?.send(JSON.stringify({ type: "watch", ...this.#wish }));
  }

  /** The service has answered something else: one that did not answer here is asked again at once. */
  hasten = (): void => {
    if (this.#isUnreachable) this.connect();
  };

  /** The network has changed: a connection that may be dead already is not waited for. */
  checkNow = (): void => {
    if (this.#socket) this.#onClose(this.#socket, 0);
  };

  #onOpen(socket: WebSocket): void {
    this.#attempt = 0;
    this.#heard = Date.now();
    this.#isOpen = true;
    this.#options.onState("open");
    if (Object.values(this.#wish).some((ids) => ids.length > 0)) this.#sendWish();
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
    this.#batch.push({ ...event, received: performance.now() });
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
    this.#isOpen = false;
    this.#isUnreachable = code === 0 || code === CLOSE_ABNORMAL;
    clearInterval(this.#pingTimer);
    socket.close();
    if (code === CLOSE_UNAUTHENTICATED) this.#options.onRefused();
    this.#options.onState("waiting");
    const wait = backoff(this.#attempt, (this.#options.random ?? Math.random)());
    this.#attempt += 1;
    this.#retryTimer = setTimeout(this.connect, wait);
  }
}
