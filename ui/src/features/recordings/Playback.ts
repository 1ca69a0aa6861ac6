import { bytesOf, type Cast } from "./cast";

/** A pause longer than this is passed over. */
const LONGEST_PAUSE_MS = 2_000;
const BEFORE_MS = 200;

/** Shows events; the terminal of a player is one. */
export interface Screen {
  reset: () => void;
  resize: (cols: number, rows: number) => void;
  write: (data: Uint8Array) => void;
}

/** A recording on its way to a screen: a place in time, and what was shown up to there. */
export class Playback {
  readonly #cast: Cast;
  readonly #screen: Screen;
  #shown = 0;
  #ms = 0;

  constructor(cast: Cast, screen: Screen) {
    this.#cast = cast;
    this.#screen = screen;
    this.#begin();
  }

  get ms(): number {
    return this.#ms;
  }

  get isAtEnd(): boolean {
    return this.#shown === this.#cast.events.length;
  }

  /** Lets time pass; a long pause ends at once. */
  advance(ms: number): void {
    const to = this.#ms + ms;
    const next = this.#cast.events[this.#shown]?.ms;
    this.#show(next !== undefined && next - to > LONGEST_PAUSE_MS ? next - BEFORE_MS : to);
  }

  /** Goes to a time, also back. */
  seek(ms: number): void {
    if (ms < this.#ms) this.#begin();
    this.#show(ms);
  }

  #begin(): void {
    this.#shown = this.#ms = 0;
    this.#screen.reset();
    this.#screen.resize(this.#cast.cols, this.#cast.rows);
  }

  #show(to: number): void {
    const { events, milliseconds } = this.#cast;
    this.#ms = Math.min(Math.max(0, to), milliseconds);
    for (let event = events[this.#shown]; event && event.ms <= this.#ms; event = events[this.#shown]) {
      this.#shown += 1;
      if (event.code === "o") this.#screen.write(bytesOf(event.data));
      else if (event.code === "m") this.#screen.write(bytesOf(`\r\n\u001b[7m ${event.data} \u001b[0m\r\n`));
      else if (event.code === "r") {
        const [cols = 80, rows = 24] = event.data.split("x").map(Number);
        this.#screen.resize(cols, rows);
      }
    }
  }
}
