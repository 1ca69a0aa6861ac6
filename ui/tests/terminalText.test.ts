import { Terminal } from "@xterm/xterm";
import { describe, expect, it } from "vitest";
import { CommandMarks } from "../src/features/terminal/pane/CommandMarks";
import { absolute, placesIn } from "../src/features/terminal/pane/fileLinks";
import { quoted } from "../src/features/terminal/pane/quoted";
import { countEmojiWide } from "../src/features/terminal/pane/widths";

const HOME = "/home/nixos";
const write = (terminal: Terminal, text: string) => new Promise<void>((done) => terminal.write(text, done));
const named = (text: string) => placesIn(text).map(({ path, line, column }) => [path, line, column]);

describe("files that are named on the screen", () => {
  it("finds what compilers print, and neither times nor addresses", () => {
    expect(named("src/main.c:12:5: error")).toEqual([["src/main.c", 12, 5]]);
    expect(named("  at ./a b/x.ts:3")).toEqual([["b/x.ts", 3, 1]]);
    expect(named('  File "/tmp/a b.py", line 7, in f')).toEqual([["/tmp/a b.py", 7, 1]]);
    expect(named("12:30:45 localhost:3000 http://a.b/c.js:1:2 10.0.0.1:80")).toEqual([]);
  });

  it("knows where they are", () => {
    expect(absolute("../b/./c.ts", "/srv/a", HOME)).toBe("/srv/b/c.ts");
    expect(absolute("~/x", "/srv", HOME)).toBe("/home/nixos/x");
    expect(absolute("/x/../../y", "/srv", HOME)).toBe("/y");
  });

  it("writes a path as one word of a shell", () => {
    expect(quoted("/a/b-c_1.txt")).toBe("/a/b-c_1.txt");
    expect(quoted("/a/it's $HOME")).toBe(`'/a/it'\\''s $HOME'`);
  });
});

describe("columns", () => {
  it("gives two to what is made an emoji", async () => {
    const terminal = new Terminal({ allowProposedApi: true, cols: 10 });
    countEmojiWide(terminal);
    await write(terminal, "❄️|1️⃣|a漢|☃|");
    const line = terminal.buffer.active.getLine(0);
    const bars = Array.from({ length: 12 }, (_, x) => x).filter((x) => line?.getCell(x)?.getChars() === "|");
    expect(bars).toEqual([2, 5, 9]);
    expect(terminal.buffer.active.getLine(1)?.translateToString(true)).toBe("☃|");
  });
});

const prompt = (code?: number) =>
  `${code === undefined ? "" : `\u001b]133;D;${code}\u0007`}\u001b]133;A\u0007$ \u001b]133;B\u0007`;
const ran = (text: string, output: string) => `${text}\r\n\u001b]133;C\u0007${output}`;

async function marked(...parts: string[]) {
  const terminal = new Terminal({ allowProposedApi: true, cols: 20, rows: 5, scrollback: 100 });
  const marks = new CommandMarks(terminal, {
    onMark: () => undefined,
    isReplaying: () => false,
    label: () => "",
  });
  for (const part of parts) await write(terminal, part);
  return { terminal, marks };
}

describe("the marks of a shell", () => {
  it("tell what the last command printed", async () => {
    const { marks, terminal } = await marked(
      prompt(),
      ran("seq 2", "1\r\n2\r\n"),
      prompt(0),
      ran("long", `${"x".repeat(30)}\r\n`),
      prompt(3),
    );
    expect(marks.lastOutput()).toBe(`${"x".repeat(30)}\n`);
    await write(terminal, ran("printf no-newline", "no-newline") + prompt(0));
    expect(marks.lastOutput()).toBe("no-newline\n");
  });

  it("lead from command to command", async () => {
    const lines = Array.from({ length: 20 }, (_, number) => `${number}\r\n`).join("");
    const { marks, terminal } = await marked(
      prompt(),
      ran("one", lines),
      prompt(0),
      ran("two", lines),
      prompt(0),
    );
    const top = () => terminal.buffer.active.viewportY;
    const end = top();
    expect(marks.jump(-1)).toBe(true);
    const second = top();
    marks.jump(-1);
    expect([top() < second, second < end]).toEqual([true, true]);
    marks.jump(1);
    expect(top()).toBe(second);
    marks.jump(1);
    expect(top()).toBe(end);
  });

  it("are none of a program that fills the screen, nor of a shell without them", async () => {
    const { marks } = await marked("$ ls\r\n", "\u001b[?1049h", "\u001b]133;A\u0007", "\u001b[?1049l");
    expect([marks.jump(-1), marks.lastOutput()]).toEqual([false, null]);
  });
});
