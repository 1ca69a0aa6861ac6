import { backoff } from "../../../shared/backoff";
import { currentTranslate } from "../../../shared/i18n/messages";
import { InputQueue, KEPT_BYTES } from "./InputQueue";
import {
  type ClientMessage,
  decode,
  mayType,
  type News,
  type Presence,
  type ServerMessage,
  SUBPROTOCOL,
} from "./wire";

/**
 * How a connection is doing. `waiting` ends at `retryAt` (milliseconds since 1970) or by `reconnectNow`; `ended` and
 * `failed` stay until `reconnectNow`, `closed` for ever. `kept` is how many bytes were typed since the connection was
 * lost, to be sent when it is back; `isFull` says that more was typed than can be kept.
 */
export type ConnectionState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; retryAt: number; kept: number; isFull: boolean }
  | { kind: "ended"; code: number }
  | { kind: "failed"; closeCode: number; message: string }
  | { kind: "closed" };

export interface ConnectionOptions {
  /** Address of the terminal's WebSocket, without its query. */
  url: string;
  /** The terminal to attach to. */
  session: string;
  /** Nobody has attached to it before: what its program asks the terminal still wants an answer. */
  isNew?: boolean;
  /** Shows output; `done` is called when it has been consumed, which is what the service waits for. */
  write: (data: Uint8Array, done: () => void) => void;
  /** Output between two offsets is lost for good: it was older than what the workspace keeps. */
  onGap: (from: number, to: number) => void;
  /** Another client's window decides the terminal's size now. */
  onResized: (cols: number, rows: number) => void;
  onState: (state: ConnectionState) => void;
  /** What runs in it, where, and which window gives it its size. */
  onNews?: (news: News) => void;
  /** Who else is there, and who may type. */
  onPresence?: (presence: Presence) => void;
  /** The terminal has everything that was typed into it. */
  onDelivered?: () => void;
  /** What was typed into it before and has not arrived. */
  input?: InputQueue;
  /** How much of its output is known already. */
  offset?: number;
  makeSocket?: (url: string, protocol: string) => WebSocket;
  random?: () => number;
}

const PING_MS = 10_000;
const SILENCE_MS = 25_000;
const RESIZE_MS = 60;
const BUSY_MS = 5_000;
/** So much may wait to be consumed and count as consumed: the next output comes while this is taken in. */
const AHEAD_BYTES = 1 << 18;

const CLOSE_BUSY = 4429;
/** What was typed was dropped: the terminal's count of it is not this page's any more. */
const DROPPED = new Set(["readonly", "keyboard_elsewhere", "moderator_absent"]);
/** Close codes after which trying again by itself would not help. */
const FINAL = new Set([4400, 4401, 4403, 4404, 4409, 4502]);

/**
 * One attachment to one terminal that survives its sockets.
 *
 * Output is counted by the service's byte offsets: after a break the connection asks for what follows the last byte it
 * has, drops what comes twice, and reports what is lost. Every frame is acknowledged once at most `AHEAD_BYTES` before
 * it are still to be consumed, so that neither side piles anything up. Input is kept until the terminal is said to have it: what was typed while there was no
 * connection, or was under way when it broke, is sent after the next one is made, once.
 */
export class TerminalConnection {
  readonly #options: ConnectionOptions;
  #socket: WebSocket | null = null;
  #state: ConnectionState = { kind: "closed" };
  #offset: number;
  #shown: number;
  #replayEnd = 0;
  readonly #input: InputQueue;
  #attempt = 0;
  #heard = 0;
  #lastError = "";
  #mayType = true;
  #size = { cols: 80, rows: 24 };
  /** Bytes that were received and not consumed. */
  #waiting = 0;
  #unacknowledged = 0;
  #isAcknowledging = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #resizeTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  readonly #encoder = new TextEncoder();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#input = options.input ?? new InputQueue();
    this.#offset = this.#shown = options.offset ?? 0;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Where the output that was received ends. */
  get offset(): number {
    return this.#offset;
  }

  /** What is being shown was printed before this page attached: answers to it must not be typed into the shell. */
  get isReplaying(): boolean {
    return this.#shown < this.#replayEnd;
  }

  /** Attaches; `cols` and `rows` are the window's. */
  open(cols: number, rows: number): void {
    this.#size = { cols, rows };
    this.#connect();
  }

  /**
   * Types something, at once or when there is a connection; false says that it is refused, because the program has ended
   * or too much is kept already. What a terminal says by itself (`isTyped` false) goes nowhere during a replay.
   */
  send(data: string | Uint8Array, isTyped = true): boolean {
    const { kind } = this.#state;
    if (kind === "ended" || kind === "closed" || !this.#mayType || (!isTyped && this.isReplaying))
      return false;
    const bytes = typeof data === "string" ? this.#encoder.encode(data) : data;
    const isFull = kind !== "open" && this.#input.unsent + bytes.length > KEPT_BYTES;
    if (!isFull) this.#input.push(bytes);
    if (this.#state.kind === "waiting") this.#set({ ...this.#state, kept: this.#input.unsent, isFull });
    this.#sendInput();
    return !isFull;
  }

  /** Tells the window's size; many changes in a row (a dragged pane) become one. */
  resize(cols: number, rows: number): void {
    this.#size = { cols, rows };
    clearTimeout(this.#resizeTimer);
    this.#resizeTimer = setTimeout(() => this.tell({ type: "resize", ...this.#size }), RESIZE_MS);
  }

  /** Stops waiting, or begins again after the end. */
  reconnectNow(): void {
    if (this.#state.kind === "open" || this.#state.kind === "connecting") return;
    this.#attempt = 0;
    this.#connect();
  }

  #sendInput(): void {
    if (this.#state.kind === "open") this.#input.send((data) => this.#socket?.send(data as BufferSource));
  }

  /** Detaches for good; the terminal lives on. */
  close(): void {
    this.#drop();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#resizeTimer);
    this.#set({ kind: "closed" });
  }

  #set(state: ConnectionState): void {
    this.#state = state;
    this.#options.onState(state);
  }

  #connect(): void {
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#lastError = "";
    this.#set({ kind: "connecting" });
    const query = new URLSearchParams({
      session: this.#options.session,
      offset: String(this.#offset),
      cols: String(this.#size.cols),
      rows: String(this.#size.rows),
      client: String(this.#input.number),
      ...(this.#options.onNews && { news: "1" }),
      ...(this.#options.onPresence && { presence: "1" }),
    });
    const make = this.#options.makeSocket ?? ((url, protocol) => new WebSocket(url, protocol));
    const socket = make(`${this.#options.url}?${query}`, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#heard = Date.now();
    this.#pingTimer = setInterval(() => this.#checkPulse(socket), PING_MS);
    socket.addEventListener("message", (event) => {
      if (this.#socket === socket) this.#onMessage(decode(event.data), socket);
    });
    socket.addEventListener("close", (event) => {
      if (this.#socket === socket) this.#onClose(event.code, event.reason);
    });
  }

  /** Lets go of the socket; nothing that it still says counts. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#unacknowledged = 0;
    clearInterval(this.#pingTimer);
    socket?.close();
  }

  /** A connection can die without a word: a laptop that slept, a cable. */
  #checkPulse(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    if (Date.now() - this.#heard > SILENCE_MS) this.#onClose(0, "");
    else this.tell({ type: "ping" });
  }

  /** Says something to the service, where there is a connection. */
  tell(message: ClientMessage): void {
    if (this.#state.kind === "open") this.#socket?.send(JSON.stringify(message));
  }

  #onMessage(message: ServerMessage, socket: WebSocket): void {
    this.#heard = Date.now();
    switch (message.type) {
      case "session":
        this.#onSession(message.offset, message.end, message.inputReceived);
        break;
      case "output":
        this.#onOutput(message.data, message.offset, socket);
        break;
      case "gap":
        this.#onGap(message.from, message.to);
        break;
      case "resized":
        this.#options.onResized(message.cols, message.rows);
        break;
      case "news":
        this.#options.onNews?.(message.news);
        break;
      case "presence":
        this.#mayType = mayType(message.presence);
        this.#options.onPresence?.(message.presence);
        break;
      case "received":
        this.#input.confirm(message.input);
        this.#tellDelivered();
        break;
      case "exit":
        this.#drop();
        this.#input.clear();
        this.#set({ kind: "ended", code: message.code });
        break;
      case "error":
        this.#lastError = currentTranslate().problem(message);
        if (DROPPED.has(message.code)) {
          this.#input.renew();
          this.#connect();
        }
        break;
      case "other":
        break;
    }
  }

  #onSession(offset: number, end: number, inputReceived: number): void {
    this.#attempt = 0;
    if (offset > this.#offset) this.#onGap(this.#offset, offset);
    // Only what was printed before the first attachment is a replay; after a break, programs still await answers.
    if (this.#shown === 0 && !this.#options.isNew) this.#replayEnd = end;
    this.#input.resume(inputReceived);
    this.#set({ kind: "open" });
    this.#sendInput();
    this.#tellDelivered();
  }

  #tellDelivered(): void {
    if (this.#input.pending === 0) this.#options.onDelivered?.();
  }

  #onGap(from: number, to: number): void {
    if (to <= this.#offset) return;
    // The very beginning of a long-lived terminal is no loss to somebody who has just come.
    if (this.#offset > 0) this.#options.onGap(Math.max(from, this.#offset), to);
    this.#offset = to;
    this.#shown = Math.max(this.#shown, to);
  }

  #onOutput(data: Uint8Array, end: number, socket: WebSocket): void {
    const start = end - data.length;
    if (start > this.#offset) this.#onGap(this.#offset, start);
    const fresh = start < this.#offset ? data.subarray(Math.min(data.length, this.#offset - start)) : data;
    this.#offset = Math.max(this.#offset, end);
    if (fresh.length === 0) {
      this.#acknowledge(socket);
      return;
    }
    this.#waiting += fresh.length;
    const isAhead = this.#waiting <= AHEAD_BYTES;
    if (isAhead) this.#acknowledge(socket);
    this.#options.write(fresh, () => {
      this.#waiting -= fresh.length;
      this.#shown = Math.max(this.#shown, end);
      if (!isAhead) this.#acknowledge(socket);
    });
  }

  /** Counts a frame of this socket as consumed; all of one turn are told together. */
  #acknowledge(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    this.#unacknowledged += 1;
    if (this.#isAcknowledging) return;
    this.#isAcknowledging = true;
    queueMicrotask(() => {
      this.#isAcknowledging = false;
      const frames = this.#unacknowledged;
      this.#unacknowledged = 0;
      if (frames > 0) this.tell({ type: "ack", frames });
    });
  }

  #onClose(code: number, reason: string): void {
    this.#drop();
    if (FINAL.has(code)) {
      this.#set({ kind: "failed", closeCode: code, message: this.#lastError || reason });
      return;
    }
    const wait = backoff(this.#attempt, (this.#options.random ?? Math.random)());
    this.#attempt += 1;
    const delay = code === CLOSE_BUSY ? Math.max(BUSY_MS, wait) : wait;
    this.#set({ kind: "waiting", retryAt: Date.now() + delay, kept: this.#input.unsent, isFull: false });
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
  }
}
