import type { IDisposable, Terminal } from "@xterm/xterm";

/** Several screens since the last one that was drawn: nobody reads along. */
const FLOOD_BYTES = 1 << 14;
const DRAW_MS = 100;
const QUIET_MS = 30;
/** Taken in within one turn, between which frames are drawn and keys are heard: some 3 ms of work. */
const TURN_BYTES = 1 << 15;

type Place = [x: number, y: number];
/** Draws the selection; there is none where an end of it is missing. */
type DrawSelection = (start: Place | undefined, end: Place | undefined, isColumns: boolean) => void;

/** The parts of xterm that no interface of its own leads to; what it does without them is draw each frame. */
interface Insides {
  _core?: {
    coreService?: { decPrivateModes?: { synchronizedOutput: boolean } };
    _renderService?: { handleSelectionChanged?: DrawSelection };
  };
}

/** Spares drawing every row anew for a selection that there is not, which xterm does in each frame that scrolls. */
export function skipEmptySelections(terminal: Terminal): void {
  // oxlint-disable-next-line no-underscore-dangle -- xterm's own names
  const service = (terminal as Insides)._core?._renderService;
  const draw = service?.handleSelectionChanged;
  if (!service || !draw) return;
  let wasThere = false;
  service.handleSelectionChanged = (start, end, isColumns) => {
    // A click begins one at its place that may never get longer.
    const isThere = start !== undefined && end !== undefined && (start[0] !== end[0] || start[1] !== end[1]);
    if (isThere || wasThere) draw.call(service, start, end, isColumns);
    wasThere = isThere;
  };
}

interface Piece {
  data: Uint8Array;
  /** Of the last piece of what was written together. */
  done?: () => void;
}

/**
 * Takes in output, and draws it less often while there is a flood of it: drawing rows that are gone a moment later takes
 * as long as all the rest. It holds xterm's drawing as a program does that prints a screen in parts (DEC mode 2026).
 *
 * xterm is given one piece at a time, and the next by a message to itself: timers, by which it takes turns otherwise,
 * wait four milliseconds each once they follow one another (HTML, "timer nesting level").
 */
export class Flood implements IDisposable {
  readonly #terminal: Terminal;
  readonly #drawn: IDisposable;
  readonly #turns = new MessageChannel();
  readonly #pieces: Piece[] = [];
  #isBusy = false;
  #bytes = 0;
  #isHeld = false;
  #end: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#drawn = terminal.onRender(() => (this.#bytes = 0));
    this.#turns.port1.addEventListener("message", () => this.#next());
    this.#turns.port1.start();
  }

  write(data: Uint8Array, done: () => void): void {
    this.#bytes += data.length;
    clearTimeout(this.#quiet);
    if (this.#bytes > FLOOD_BYTES) this.#hold();
    const last = Math.max(0, Math.ceil(data.length / TURN_BYTES) - 1) * TURN_BYTES;
    for (let at = 0; at < last; at += TURN_BYTES)
      this.#pieces.push({ data: data.subarray(at, at + TURN_BYTES) });
    this.#pieces.push({ data: data.subarray(last), done });
    if (!this.#isBusy) this.#next();
  }

  dispose(): void {
    clearTimeout(this.#end);
    clearTimeout(this.#quiet);
    this.#drawn.dispose();
    this.#turns.port1.close();
  }

  #next(): void {
    const piece = this.#pieces.shift();
    this.#isBusy = piece !== undefined;
    if (!piece) return;
    this.#terminal.write(piece.data, () => {
      piece.done?.();
      if (this.#pieces.length > 0) this.#turns.port2.postMessage(null);
      else {
        this.#isBusy = false;
        // The end of it is not waited for.
        if (this.#isHeld) this.#quiet = setTimeout(this.#release, QUIET_MS);
      }
    });
  }

  get #modes() {
    // oxlint-disable-next-line no-underscore-dangle -- xterm's own name
    return (this.#terminal as Insides)._core?.coreService?.decPrivateModes;
  }

  #hold(): void {
    const modes = this.#modes;
    // A program that holds it knows better when its screen is whole.
    if (this.#isHeld || !modes || modes.synchronizedOutput) return;
    this.#isHeld = true;
    modes.synchronizedOutput = true;
    this.#end = setTimeout(this.#release, DRAW_MS);
  }

  readonly #release = (): void => {
    clearTimeout(this.#end);
    clearTimeout(this.#quiet);
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#bytes = 0;
    if (this.#modes) this.#modes.synchronizedOutput = false;
    this.#terminal.refresh(0, this.#terminal.rows - 1);
  };
}
