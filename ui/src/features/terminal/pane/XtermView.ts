import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import { type Command, CommandMarks } from "./CommandMarks";
import { linkFiles } from "./fileLinks";
import { Flood, skipEmptySelections } from "./Flood";
import type { TerminalSettings } from "./settings";
import { THEMES } from "./settings";
import { watchRoom } from "./watchRoom";
import { countEmojiWide } from "./widths";

const BELL_MS = 200;
const LEAST_CONTRAST = 4.5;
const LOCAL_HOSTS = /^(localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\])$/i;
const CLIPBOARD_BYTES = 1 << 20;
/** What browsers call every key that an input method takes. */
const COMPOSING_KEY = 229;
const COMPOSED_MS = 50;

export interface ViewEvents {
  /** Keys and pastes, or (`isTyped` false) what the terminal itself answers to a program. */
  onInput: (data: string, isTyped: boolean) => void;
  /** It has another size, the first while it is being made. */
  onSize: (cols: number, rows: number) => void;
  onTitle: (title: string) => void;
  /** Several lines are about to be pasted into a program that did not ask for pastes as one piece. */
  onRiskyPaste: (text: string) => void;
  onFind: () => void;
  /** The mark of a command was chosen. */
  onMark: (command: Command, copyOutput: () => string, y: number) => void;
  markLabel: (command: Command) => string;
  isReplaying: () => boolean;
  /** The output of the last command was copied; false where there is none. */
  onCopied: (isThere: boolean) => void;
  /** A link to a port of the workspace's own was opened. */
  onPort: (port: number, path: string) => void;
  resolveFile: (path: string) => string | null;
  fileExists: (path: string) => Promise<boolean>;
  onFile: (path: string, line: number) => void;
  onLeave: () => void;
}

/** Whether what happens now comes from a key, a pointer or a paste; a terminal's own answers come from none. */
function isSomebodyActing(): boolean {
  const { event } = globalThis;
  return event instanceof UIEvent || event instanceof ClipboardEvent;
}

/** xterm in an element: its add-ons, keys, links, clipboard and size; nothing of connections. */
export class XtermView {
  readonly terminal: Terminal;
  readonly search = new SearchAddon();
  readonly marks: CommandMarks;
  readonly #flood: Flood;
  readonly #fit = new FitAddon();
  readonly #element: HTMLElement;
  readonly #events: ViewEvents;
  readonly #stopWatching: () => void;
  readonly #abort = new AbortController();
  #settings: TerminalSettings;
  #isDisposed = false;
  #isComposing = false;
  #isOwnSize = true;

  constructor(element: HTMLElement, settings: TerminalSettings, events: ViewEvents) {
    this.#element = element;
    this.#events = events;
    this.#settings = settings;
    this.terminal = new Terminal({
      allowProposedApi: true,
      macOptionIsMeta: true,
      rightClickSelectsWord: true,
    });
    const { terminal } = this;
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(this.search);
    terminal.loadAddon(new WebLinksAddon((event, uri) => this.#follow(event, uri)));
    terminal.options.linkHandler = { activate: (event, uri) => this.#follow(event, uri) };
    countEmojiWide(terminal);
    this.#flood = new Flood(terminal);
    this.marks = new CommandMarks(terminal, {
      onMark: events.onMark,
      isReplaying: events.isReplaying,
      label: events.markLabel,
    });
    linkFiles(terminal, { resolve: events.resolveFile, exists: events.fileExists, open: events.onFile });
    terminal.attachCustomKeyEventHandler((event) => this.#onKey(event));
    terminal.parser.registerOscHandler(52, (text) => this.#onClipboard(text));
    const onInput = (data: string) => events.onInput(data, this.#isComposing || isSomebodyActing());
    terminal.onData(onInput);
    terminal.onBinary(onInput);
    terminal.onResize(({ cols, rows }) => events.onSize(cols, rows));
    terminal.onTitleChange(events.onTitle);
    terminal.onBell(() => this.#ring());
    this.apply(settings);
    terminal.open(element);
    skipEmptySelections(terminal);
    element.addEventListener("paste", (event) => this.#onPaste(event), {
      capture: true,
      signal: this.#abort.signal,
    });
    for (const type of ["compositionend", "keydown"] as const) {
      element.addEventListener(type, (event) => this.#onComposed(event), {
        capture: true,
        signal: this.#abort.signal,
      });
    }
    this.#stopWatching = watchRoom(element, { isOwnSize: () => this.#isOwnSize, fit: () => this.fit() });
    this.fit();
    // Without it, as when the service does not answer, the page draws as well.
    void import("./gpu").then(({ drawByGpu }) => drawByGpu(terminal)).catch(() => undefined);
  }

  apply(settings: TerminalSettings): void {
    this.#settings = settings;
    this.terminal.options = {
      fontSize: settings.fontSize,
      fontFamily: settings.fontFamily,
      // At 1 the next row covers the underscores of common fonts.
      lineHeight: 1.15,
      scrollback: settings.scrollback,
      cursorStyle: settings.cursor,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      screenReaderMode: settings.screenReader,
      theme: THEMES[settings.scheme],
      // Programs that print black on black, or a pale yellow on white, are to be read all the same.
      minimumContrastRatio: LEAST_CONTRAST,
    };
    if (this.terminal.element) this.fit();
  }

  /** Shows output; `done` is called when it was taken in. */
  write(data: Uint8Array, done: () => void): void {
    this.#flood.write(data, done);
  }

  /** Makes the terminal as large as its pane; a hidden pane keeps its size. */
  fit(): void {
    if (this.#isDisposed || this.#element.clientWidth === 0 || this.#element.clientHeight === 0) return;
    this.#isOwnSize = true;
    this.#fit.fit();
  }

  /** Takes the size that the terminal has; returns whether its pane would give it the same. */
  resize(cols: number, rows: number): boolean {
    this.terminal.resize(cols, rows);
    const own = this.#fit.proposeDimensions() ?? this.terminal;
    this.#isOwnSize = own.cols === cols && own.rows === rows;
    return this.#isOwnSize;
  }

  copyLastOutput(): void {
    const output = this.marks.lastOutput();
    if (output !== null) void navigator.clipboard.writeText(output);
    this.#events.onCopied(output !== null);
  }

  focus(): void {
    this.terminal.focus();
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#abort.abort();
    this.#stopWatching();
    this.marks.dispose();
    this.#flood.dispose();
    this.terminal.dispose();
  }

  /** Opens a link only with Ctrl or ⌘: whoever prints to the terminal decides what a link says. */
  #follow(event: MouseEvent, uri: string): void {
    if ((!event.ctrlKey && !event.metaKey) || !/^https?:\/\//i.test(uri) || !URL.canParse(uri)) return;
    const { hostname, port, protocol, pathname, search } = new URL(uri);
    // What is local there is another machine's than this browser's.
    if (LOCAL_HOSTS.test(hostname)) {
      this.#events.onPort(Number(port) || (protocol === "https:" ? 443 : 80), pathname + search);
    } else open(uri, "_blank", "noopener,noreferrer");
  }

  #onKey(event: KeyboardEvent): boolean {
    if (event.type !== "keydown") return true;
    if (event.ctrlKey && event.key === "F6") {
      event.preventDefault();
      this.#events.onLeave();
      return false;
    }
    const isJump = event.key === "ArrowUp" || event.key === "ArrowDown";
    if (isJump && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
      if (!this.marks.jump(event.key === "ArrowUp" ? -1 : 1)) return true;
      event.preventDefault();
      return false;
    }
    if (!event.ctrlKey || !event.shiftKey) return true;
    switch (event.code) {
      case "KeyC":
        event.preventDefault();
        if (this.terminal.hasSelection()) void navigator.clipboard.writeText(this.terminal.getSelection());
        return false;
      case "KeyV":
        return false; // The browser's own paste follows.
      case "KeyO":
        event.preventDefault();
        this.copyLastOutput();
        return false;
      case "KeyF":
        event.preventDefault();
        this.#events.onFind();
        return false;
      default:
        return true;
    }
  }

  #onPaste(event: ClipboardEvent): void {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!/[\r\n]./.test(text) || this.terminal.modes.bracketedPasteMode) return;
    event.preventDefault();
    event.stopPropagation();
    this.#events.onRiskyPaste(text);
  }

  /** An input method's text, also that of a phone's keyboard, reaches xterm a moment after its event. */
  #onComposed(event: Event): void {
    if (event instanceof KeyboardEvent && event.keyCode !== COMPOSING_KEY) return;
    this.#isComposing = true;
    setTimeout(() => (this.#isComposing = false), COMPOSED_MS);
  }

  /** OSC 52: a program writes the clipboard, if that is allowed; reading it never is. */
  #onClipboard(text: string): boolean {
    const encoded = text.slice(text.indexOf(";") + 1);
    if (!this.#settings.clipboard || encoded === "?" || encoded.length > CLIPBOARD_BYTES) return true;
    try {
      const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
      void navigator.clipboard.writeText(new TextDecoder().decode(bytes));
    } catch {
      return true;
    }
    return true;
  }

  #ring(): void {
    if (!this.#settings.bell) return;
    this.#element.classList.add("ringing");
    setTimeout(() => this.#element.classList.remove("ringing"), BELL_MS);
  }
}
