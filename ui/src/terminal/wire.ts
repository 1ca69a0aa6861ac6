/** What goes over a terminal's WebSocket with the subprotocol `nixws.terminal.v1`: data as binary, the rest as JSON. */

export const SUBPROTOCOL = "nixws.terminal.v1";

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
  | { type: "exit"; code: number }
  | { type: "error"; code: string; message: string }
  | { type: "other" };

export type ClientMessage =
  { type: "resize"; cols: number; rows: number } | { type: "ack"; frames: number } | { type: "ping" };

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
  if (type === "exit") return { type, code: Number(code) };
  if (type === "error") return { type, code: String(code), message: String(message.message) };
  return { type: "other" };
}
