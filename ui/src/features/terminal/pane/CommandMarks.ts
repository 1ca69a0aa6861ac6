import type { IDecoration, IDisposable, IMarker, Terminal } from "@xterm/xterm";

/** One command that a shell has marked (OSC 133 or 633). */
export interface Command {
  /** What was typed, as it stands on the screen. */
  text: string;
  /** null while it runs. */
  code: number | null;
  /** How long it took, where this page saw all of it. */
  milliseconds: number | null;
}

interface Marked {
  prompt: IMarker;
  /** Where the prompt ends and what is typed begins. */
  input: { marker: IMarker; x: number } | null;
  output: IMarker | null;
  end: { marker: IMarker; x: number } | null;
  code: number | null;
  startedAt: number | null;
  milliseconds: number | null;
  decoration: IDecoration | undefined;
}

/** Older ones lose their marks: each costs a marker that moves with every line. */
const MOST = 500;

interface MarkEvents {
  /** A mark was chosen; `y` is where it is, in pixels from the top of the screen. */
  onMark: (command: Command, copyOutput: () => string, y: number) => void;
  /** Whether what is printed was printed before this page came: times of it say nothing. */
  isReplaying: () => boolean;
  label: (command: Command) => string;
}

/** The commands of a terminal's shell: where each begins, what it printed and how it ended. */
export class CommandMarks implements IDisposable {
  readonly #terminal: Terminal;
  readonly #events: MarkEvents;
  readonly #handlers: IDisposable[];
  #commands: Marked[] = [];
  /** The command that was jumped to last, until the view is moved otherwise. */
  #at: Marked | null = null;

  constructor(terminal: Terminal, events: MarkEvents) {
    this.#terminal = terminal;
    this.#events = events;
    const onMark = (data: string) => {
      this.#mark(data);
      return true;
    };
    this.#handlers = [
      terminal.parser.registerOscHandler(133, onMark),
      terminal.parser.registerOscHandler(633, onMark),
      terminal.onData(() => (this.#at = null)),
    ];
  }

  dispose(): void {
    for (const handler of this.#handlers) handler.dispose();
  }

  /** Scrolls to the command before (-1) or after (1) the one in view; false where the shell marks none. */
  jump(by: -1 | 1): boolean {
    const terminal = this.#terminal;
    const known = this.#commands.filter(({ prompt, output }) => !prompt.isDisposed && output);
    if (known.length === 0 || terminal.buffer.active.type !== "normal") return false;
    const { viewportY, baseY } = terminal.buffer.active;
    const from = this.#at?.prompt.line ?? (viewportY >= baseY ? Infinity : viewportY + (by > 0 ? 0 : 0.5));
    const next =
      by < 0
        ? known.findLast(({ prompt }) => prompt.line < from)
        : known.find(({ prompt }) => prompt.line > from);
    if (!next) {
      if (by > 0) {
        this.#at = null;
        terminal.scrollToBottom();
      }
      return true;
    }
    this.#at = next;
    terminal.scrollToLine(Math.max(0, next.prompt.line - 1));
    this.#flash(next);
    return true;
  }

  /** What the last command printed that has ended; null where there is none. */
  lastOutput(): string | null {
    const last = this.#commands.findLast(({ end }) => end);
    return last ? this.#outputOf(last) : null;
  }

  #mark(data: string): void {
    if (this.#terminal.buffer.active.type !== "normal") return;
    const [kind, argument] = data.split(";");
    const current = this.#commands.at(-1);
    switch (kind) {
      case "A":
        this.#begin();
        break;
      case "B":
        if (current) current.input = this.#here();
        break;
      case "C":
        if (!current || current.output) break;
        current.output = this.#terminal.registerMarker(0);
        current.startedAt = this.#events.isReplaying() ? null : performance.now();
        this.#decorate(current);
        break;
      case "D":
        if (!current?.output || current.end) break;
        current.end = this.#here();
        current.code = /^\d{1,3}$/.test(argument ?? "") ? Number(argument) : null;
        current.milliseconds = current.startedAt === null ? null : performance.now() - current.startedAt;
        this.#show(current);
        break;
    }
  }

  #here(): { marker: IMarker; x: number } {
    return { marker: this.#terminal.registerMarker(0), x: this.#terminal.buffer.active.cursorX };
  }

  #begin(): void {
    const last = this.#commands.at(-1);
    // A prompt that is drawn again (after a resize, or an empty line) is not another command.
    if (last && !last.output) this.#forget(this.#commands.pop());
    const prompt = this.#terminal.registerMarker(0);
    this.#commands.push({
      prompt,
      input: null,
      output: null,
      end: null,
      code: null,
      startedAt: null,
      milliseconds: null,
      decoration: undefined,
    });
    if (this.#commands.length > MOST || this.#commands[0]?.prompt.isDisposed)
      this.#forget(this.#commands.shift());
  }

  #forget(command: Marked | undefined): void {
    for (const marker of [command?.prompt, command?.input?.marker, command?.output, command?.end?.marker])
      marker?.dispose();
  }

  #decorate(command: Marked): void {
    const marker = command.input?.marker ?? command.prompt;
    command.decoration = this.#terminal.registerDecoration({ marker, width: 1 });
    command.decoration?.onRender((element) => {
      if (!element.classList.contains("command-mark")) {
        element.classList.add("command-mark");
        element.addEventListener("click", () =>
          this.#events.onMark(this.#shown(command), () => this.#outputOf(command), element.offsetTop),
        );
      }
      this.#paint(command, element);
    });
  }

  #show(command: Marked): void {
    if (command.decoration?.element) this.#paint(command, command.decoration.element);
  }

  #paint(command: Marked, element: HTMLElement): void {
    element.dataset.outcome = command.end ? (command.code ? "failed" : "done") : "running";
    element.title = this.#events.label(this.#shown(command));
  }

  #shown(command: Marked): Command {
    const { input, output, code, milliseconds } = command;
    const text = input && output ? this.#between(input.marker.line, input.x, output.line, 0) : "";
    return { text: text.trim(), code: command.end ? (code ?? 0) : null, milliseconds };
  }

  #outputOf({ output, end }: Marked): string {
    if (!output || output.isDisposed) return "";
    const { baseY, cursorY, cursorX } = this.#terminal.buffer.active;
    const [line, x] = end ? [end.marker.line, end.x] : [baseY + cursorY, cursorX];
    return this.#between(output.line, 0, line, x);
  }

  /** The text between two places; lines that were only wrapped are one. */
  #between(fromLine: number, fromX: number, toLine: number, toX: number): string {
    const buffer = this.#terminal.buffer.active;
    let text = "";
    for (let y = fromLine; y <= toLine; y++) {
      const line = buffer.getLine(y);
      if (!line) break;
      if (y === toLine && toX === 0) break;
      const isContinued = buffer.getLine(y + 1)?.isWrapped ?? false;
      const part = line.translateToString(
        !isContinued,
        y === fromLine ? fromX : 0,
        y === toLine ? toX : undefined,
      );
      text += isContinued && y < toLine ? part : `${part}\n`;
    }
    return text;
  }

  #flash({ prompt }: Marked): void {
    const marker = this.#terminal.registerMarker(
      prompt.line - this.#terminal.buffer.active.baseY - this.#terminal.buffer.active.cursorY,
    );
    const decoration = this.#terminal.registerDecoration({ marker, width: this.#terminal.cols });
    decoration?.onRender((element) => element.classList.add("command-flash"));
    setTimeout(() => marker.dispose(), 600);
  }
}
