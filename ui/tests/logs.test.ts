import { describe, expect, it } from "vitest";
import type { Generation, LogLine } from "../src/api/types";
import { levelOf, rowsOf } from "../src/features/workspaces/detail/logs/logRows";
import { changeOf, isNothing } from "../src/features/workspaces/detail/overview/generationChanges";

const line = (text: string, source = "build"): LogLine => ({ source, text, at: null });
const evaluating = (count: number) =>
  Array.from({ length: count }, (_, number) => line(`evaluating file '/nix/store/${number}.nix'`));

describe("rowsOf", () => {
  it("folds what evaluation says and names where each phase begins", () => {
    const rows = rowsOf([
      ...evaluating(5),
      line("these 2 derivations will be built:"),
      line("building '/nix/store/a.drv'"),
      line("nixos: activating", "boot"),
    ]);
    expect(rows.map((row) => (row.kind === "phase" ? row.phase : row.kind))).toEqual([
      "evaluate",
      "fold",
      "build",
      "line",
      "line",
      "boot",
      "line",
    ]);
    expect(rows[1]).toMatchObject({ lines: evaluating(5) });
  });

  it("shows two lines as two lines", () => {
    expect(rowsOf(evaluating(2)).map(({ kind }) => kind)).toEqual(["phase", "line", "line"]);
  });

  it("loses no line and gives each its own number, whatever comes first", () => {
    const lines = [...evaluating(4), line("x"), ...evaluating(1), line("y"), ...evaluating(3)];
    const rows = rowsOf(lines, 7);
    const shown = rows.flatMap((row) =>
      row.kind === "fold" ? row.lines : row.kind === "line" ? [row.line] : [],
    );
    expect(shown).toEqual(lines);
    const ids = rows.flatMap((row) => (row.kind === "phase" ? [] : [row.id]));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("levelOf", () => {
  it.each([
    ["warning: skipping dangling symlink", "warning"],
    ["\u001b[35mwarning:\u001b[0m Git tree is dirty", "warning"],
    ["error: builder failed", "error"],
    ["The build failed: no room", "error"],
    ["copying errors.txt", "plain"],
  ])("%s is %s", (text, level) => {
    expect(levelOf(text)).toBe(level);
  });
});

const generation = (number: number, packages: string[], more: Partial<Generation> = {}): Generation => ({
  number,
  packages,
  template: "minimal",
  ports: [],
  created_at: "2026-01-01T00:00:00Z",
  current: false,
  toplevel: "/nix/store/x",
  ...more,
});

describe("changeOf", () => {
  it("compares with the one built before, in whatever order they come", () => {
    const all = [
      generation(1, ["git"]),
      generation(4, ["git", "vim"], { ports: [80] }),
      generation(2, ["jq"]),
    ];
    expect(changeOf(all[1] as Generation, all)).toEqual({
      added: ["git", "vim"],
      removed: ["jq"],
      template: null,
      openedPorts: [80],
      closedPorts: [],
    });
  });

  it("is null for the first and nothing for the same", () => {
    const all = [generation(1, ["git"]), generation(2, ["git"])];
    expect(changeOf(all[0] as Generation, all)).toBeNull();
    const same = changeOf(all[1] as Generation, all);
    expect(same && isNothing(same)).toBe(true);
  });
});
