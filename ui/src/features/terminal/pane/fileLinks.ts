import type { IDisposable, ILink, Terminal } from "@xterm/xterm";

/** A place in a file that a program has named. */
export interface FilePlace {
  path: string;
  line: number;
  column: number;
}

interface Found extends FilePlace {
  /** Where it stands in the line, in characters. */
  start: number;
  length: number;
}

// A path with a dot or a slash in it, then its line (and column): what compilers, linters and grep print.
const PLAIN = /(?<![\w/:.@~-])((?:~\/|\/|\.{1,2}\/)?[\w@.+-]+(?:\/[\w@.+-]+)*):(\d{1,7})(?::(\d{1,5}))?/g;
const PYTHON = /File "([^"]+)", line (\d{1,7})/g;

/** The places in files that a line names. */
export function placesIn(text: string): Found[] {
  const found: Found[] = [];
  for (const pattern of [PLAIN, PYTHON]) {
    for (const match of text.matchAll(pattern)) {
      const [whole, path = "", line, column] = match;
      if (!/[./]/.test(path) || !/[A-Za-z_]/.test(path)) continue;
      const place = { path, line: Number(line), column: Number(column ?? 1) };
      found.push({ ...place, start: match.index, length: whole.length });
    }
  }
  return found;
}

/** A path as the workspace has it; relative ones are below where the shell is. */
export function absolute(path: string, cwd: string, home: string): string {
  const whole = path.startsWith("/")
    ? path
    : path.startsWith("~/")
      ? `${home}/${path.slice(2)}`
      : `${cwd}/${path}`;
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

interface Files {
  /** Where such a path would be; null where that cannot be told. */
  resolve: (path: string) => string | null;
  /** Whether there is such a file: what only looks like one is no link. */
  exists: (path: string) => Promise<boolean>;
  open: (path: string, line: number) => void;
}

/** Makes links of the files that are named on the screen and exist; opened, as all links, with Ctrl or ⌘ only. */
export function linkFiles(terminal: Terminal, files: Files): IDisposable {
  const linksOf = async (y: number): Promise<ILink[]> => {
    const text = terminal.buffer.active.getLine(y - 1)?.translateToString(true) ?? "";
    const links = placesIn(text).map(async ({ path, line, start, length }): Promise<ILink | null> => {
      const where = files.resolve(path);
      if (!where || !(await files.exists(where))) return null;
      return {
        range: { start: { x: start + 1, y }, end: { x: start + length, y } },
        text: text.slice(start, start + length),
        activate: (event) => {
          if (event.ctrlKey || event.metaKey) files.open(where, line);
        },
      };
    });
    return (await Promise.all(links)).filter((link) => link !== null);
  };
  return terminal.registerLinkProvider({
    provideLinks: async (y, callback) => {
      const links = await linksOf(y);
      callback(links.length > 0 ? links : undefined);
    },
  });
}
