/** What is kept at most for a terminal that cannot be reached just now. */
export const KEPT_BYTES = 1 << 16;
/** One message to the service holds at most this much. */
const PIECE_BYTES = 1 << 16;
/** Single keys are held together up to this size. */
const MERGED_BYTES = 1 << 10;

/** A queue as it is kept across a reload: bytes `start` and on, of which those before `sent` were sent once. */
export interface KeptInput {
  number: number;
  start: number;
  sent: number;
  /** In base64. */
  data: string;
}

const anyNumber = (): number => Number(crypto.getRandomValues(new BigUint64Array(1))[0]! >> 12n) + 1;

interface Piece {
  /** Number of its first byte. */
  at: number;
  data: Uint8Array;
}

/**
 * What was typed into one terminal and is not known to have arrived there. Every byte has a number; the terminal counts
 * what it has of this queue's `number`, across connections: what follows its count is sent again, nothing else is.
 */
export class InputQueue {
  /** What this page calls itself; nobody else takes the same. */
  number: number;
  #pieces: Piece[] = [];
  #start: number;
  #sent: number;
  #end: number;

  /** Goes on as another queue was, if one is given. */
  constructor(kept?: KeptInput) {
    this.number = kept?.number ?? anyNumber();
    this.#start = this.#end = kept?.start ?? 0;
    this.#sent = kept?.sent ?? 0;
    if (kept) this.push(Uint8Array.from(atob(kept.data), (character) => character.charCodeAt(0)));
  }

  /** What is needed to go on after a reload of the page. */
  kept(): KeptInput {
    const data = this.#pieces
      .map(({ at, data: piece }) => piece.subarray(Math.max(0, this.#start - at)))
      .map((piece) => Array.from(piece, (byte) => String.fromCharCode(byte)).join(""));
    return { number: this.number, start: this.#start, sent: this.#sent, data: btoa(data.join("")) };
  }

  /** Bytes that were not sent yet, or have to be sent again. */
  get unsent(): number {
    return this.#end - this.#sent;
  }

  /** Bytes that the terminal is not known to have. */
  get pending(): number {
    return this.#end - this.#start;
  }

  push(data: Uint8Array): void {
    const last = this.#pieces.at(-1);
    if (last && last.data.length + data.length <= MERGED_BYTES) {
      const merged = new Uint8Array(last.data.length + data.length);
      merged.set(last.data);
      merged.set(data, last.data.length);
      last.data = merged;
      this.#end += data.length;
      return;
    }
    for (let from = 0; from < data.length; from += PIECE_BYTES) {
      const piece = data.slice(from, from + PIECE_BYTES);
      this.#pieces.push({ at: this.#end, data: piece });
      this.#end += piece.length;
    }
  }

  /** Hands over what was not sent yet, in order; it is kept until it is confirmed. */
  send(write: (data: Uint8Array) => void): void {
    if (this.#sent === this.#end) return;
    const from = this.#sent;
    this.#sent = this.#end;
    for (const { at, data } of this.#pieces) {
      if (at + data.length > from) write(at < from ? data.slice(from - at) : data);
    }
  }

  /** Forgets what the terminal has. */
  confirm(received: number): void {
    if (received < this.#start || received > this.#sent) return;
    this.#start = received;
    this.#pieces = this.#pieces.filter(({ at, data }) => at + data.length > received);
  }

  /** After a new connection: what the terminal does not have is to be sent again. */
  resume(received: number): void {
    if (received >= this.#start && received <= this.#sent) {
      this.confirm(received);
      this.#sent = received;
      return;
    }
    // The terminal does not remember this page: nobody knows what became of what was under way; it is not repeated.
    const sent = this.#sent;
    const shift = received - sent;
    this.#pieces = this.#pieces
      .filter(({ at, data }) => at + data.length > sent)
      .map(({ at, data }) => {
        const from = Math.max(at, sent);
        return { at: from + shift, data: data.slice(from - at) };
      });
    this.#end += shift;
    this.#start = this.#sent = received;
  }

  /** Forgets everything and begins anew: the terminal did not take what it was sent. */
  renew(): void {
    this.#pieces = [];
    this.#start = this.#sent = this.#end = 0;
    this.number = anyNumber();
  }

  /** Forgets everything: there is no program any more that it could go to. */
  clear(): void {
    this.#pieces = [];
    this.#start = this.#sent = this.#end;
  }
}
