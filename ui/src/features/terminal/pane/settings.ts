import type { ITheme } from "@xterm/xterm";
import { keptStore } from "../../../shared/Store";

export const SCHEMES = ["dark", "light", "nixos"] as const;
export const CURSORS = ["block", "bar", "underline"] as const;

export interface TerminalSettings {
  fontSize: number;
  fontFamily: string;
  scrollback: number;
  cursor: (typeof CURSORS)[number];
  scheme: (typeof SCHEMES)[number];
  bell: boolean;
  /** Programs may write the clipboard by OSC 52; off, because whoever prints to the terminal could. */
  clipboard: boolean;
  screenReader: boolean;
}

const START: TerminalSettings = {
  fontSize: 14,
  fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
  scrollback: 10_000,
  cursor: "block",
  scheme: "dark",
  bell: true,
  clipboard: false,
  screenReader: false,
};

function isSettings(value: unknown): value is TerminalSettings {
  if (typeof value !== "object" || value === null) return false;
  const given = value as Record<string, unknown>;
  return Object.entries(START).every(([name, start]) => typeof given[name] === typeof start);
}

export const terminalSettings = keptStore("nixws.terminal", START, isSettings);

/** On a dark ground the usual red, blue, magenta and grey are too dark to be read. */
const ON_DARK: ITheme = { red: "#f0605a", blue: "#6ea8e0", magenta: "#c792d8", brightBlack: "#8a9199" };

export const THEMES: Record<TerminalSettings["scheme"], ITheme> = {
  dark: {
    ...ON_DARK,
    background: "#000000",
    foreground: "#ffffff",
    cursor: "#ffffff",
    selectionBackground: "#3b5f7d",
  },
  light: {
    background: "#ffffff",
    foreground: "#1a2228",
    cursor: "#1a2228",
    selectionBackground: "#b9d8ee",
    black: "#1a2228",
    red: "#b3261e",
    green: "#14703a",
    yellow: "#7d5200",
    blue: "#1f5a82",
    magenta: "#7b2d8e",
    cyan: "#0c6a6f",
    white: "#6b7680",
    brightBlack: "#525e68",
    brightRed: "#c5362d",
    brightGreen: "#1a7f43",
    brightYellow: "#8a5a00",
    brightBlue: "#2b6a94",
    brightMagenta: "#8e3aa2",
    brightCyan: "#127b80",
    brightWhite: "#1a2228",
  },
  nixos: {
    ...ON_DARK,
    background: "#14202b",
    foreground: "#e6f1f9",
    cursor: "#7ebae4",
    selectionBackground: "#2f5878",
    blue: "#7ebae4",
    cyan: "#8fd3e8",
    brightBlue: "#a9d5f3",
  },
};
