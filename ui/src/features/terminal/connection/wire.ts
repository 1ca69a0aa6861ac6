/** What goes over a terminal's WebSocket with the subprotocol `nixws.terminal.v1`: data as binary, the rest as JSON. */

export const SUBPROTOCOL = "nixws.terminal.v1";

/** How things stand with a terminal; not told by workspaces that were built by an older version. */
export interface News {
  /** The size of this window is in force. */
  sizes: boolean;
  /** How many windows show it. */
  attached: number;
  name: string;
  title: string;
  cwd: string;
  process: string;
}

/** One client of a terminal that several people use. */
export interface Participant {
  id: number;
  name: string;
  mode: "observer" | "peer" | "moderator";
  colour: number;
  asks: boolean;
}

/** Who is at a terminal; numbers are those of clients, 0 is nobody. */
export interface Presence {
  you: number;
  people: Participant[];
  total: number;
  keyboard: number;
  typist: number;
  moderated: boolean;
  moderator: boolean;
  recorded: boolean;
}

/** Whether what is typed here is taken. */
export const mayType = ({ you, people, keyboard, moderated, moderator }: Presence): boolean =>
  people.find(({ id }) => id === you)?.mode !== "observer" &&
  (keyboard === 0 || keyboard === you) &&
  (moderator || !moderated);

export type ServerMessage =
  | {
      type: "session";
      id: string;
      offset: number;
      end: number;
      inputReceived: number;
      cols: number;
      rows: number;
    }
  | { type: "received"; input: number }
  | { type: "output"; data: Uint8Array; offset: number }
  | { type: "gap"; from: number; to: number }
  | { type: "resized"; cols: number; rows: number }
  | { type: "news"; news: News }
  | { type: "presence"; presence: Presence }
  | { type: "exit"; code: number }
  | { type: "error"; code: string; message: string }
  | { type: "other" };

export type ClientMessage =
  | { type: "resize"; cols: number; rows: number }
  | { type: "ack"; frames: number }
  | { type: "ping" | "ask" }
  | { type: "grant"; to: number }
  | { type: "kick"; who: number };

const OFFSET_BYTES = 8;
const encoder = new TextEncoder();

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Reads one message; what cannot be read is `other`, as newer services may say more than this UI knows. */
export function decode(data: unknown): ServerMessage {
  if (data instanceof ArrayBuffer) {
    if (data.byteLength < OFFSET_BYTES) return { type: "other" };
    const offset = Number(new DataView(data).getBigUint64(0));
    return { type: "output", data: new Uint8Array(data, OFFSET_BYTES), offset };
  }
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(String(data)) as Record<string, unknown>;
  } catch {
    return { type: "other" };
  }
  const { type, offset, end, from, to, cols, rows, code } = message;
  if (type === "session" && typeof message.id === "string" && isCount(offset)) {
    const last = isCount(end) ? end : offset;
    const inputReceived = isCount(message.input_received) ? message.input_received : 0;
    return {
      type,
      id: message.id,
      offset,
      end: last,
      inputReceived,
      cols: Number(cols),
      rows: Number(rows),
    };
  }
  if (type === "received" && isCount(message.input)) return { type, input: message.input };
  if (type === "output" && typeof message.data === "string" && isCount(offset)) {
    return { type, data: encoder.encode(message.data), offset };
  }
  if (type === "gap" && isCount(from) && isCount(to)) return { type, from, to };
  if (type === "resized" && isCount(cols) && isCount(rows)) return { type, cols, rows };
  if (type === "news") {
    const { name, title, cwd: directory, process } = message;
    const texts = [name, title, directory, process].map((text) => (typeof text === "string" ? text : ""));
    const [given = "", own = "", cwd = "", runs = ""] = texts;
    const attached = isCount(message.attached) ? message.attached : 1;
    return {
      type,
      news: { sizes: message.sizes === true, attached, name: given, title: own, cwd, process: runs },
    };
  }
  if (type === "presence") return { type, presence: message as unknown as Presence };
  if (type === "exit") return { type, code: Number(code) };
  if (type === "error") return { type, code: String(code), message: String(message.message) };
  return { type: "other" };
}
