import { history, undo } from "@codemirror/commands";
import { EditorState, type TransactionSpec } from "@codemirror/state";
import { describe, expect, it } from "vitest";
import { indentOf } from "../src/features/files/editing/editorState";
import { keepsLineEnds, parsed, written } from "../src/features/files/editing/lineEnds";

function open(text: string) {
  const read = parsed(text);
  const extensions = [history(), keepsLineEnds(read.odd)];
  let state = EditorState.create({ doc: read.doc, extensions });
  return {
    get text() {
      return written(state, read.form);
    },
    change: (spec: TransactionSpec) => (state = state.update(spec).state),
    undo: () => undo({ state, dispatch: (transaction) => (state = transaction.state) }),
  };
}

describe("line ends", () => {
  it.each([
    "",
    "\n",
    "one",
    "one\ntwo\n",
    "one\r\ntwo\r\n",
    "one\rtwo\r",
    "one\r\ntwo\nthree\r\n\n\r\nfour",
    "\uFEFFone\r\ntwo",
    "\r\r\n\n",
    "all:\n\tcc -o x x.c\n",
  ])("writes %j as it was", (text) => {
    expect(open(text).text).toBe(text);
  });

  it("writes any mixture as it was", () => {
    let seed = 7;
    const random = (most: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % most;
    };
    for (let round = 0; round < 300; round += 1) {
      const pieces = Array.from({ length: random(30) }, () => ["a", "\r", "\n", "\r\n", "\t"][random(5)]);
      const text = pieces.join("");
      expect(open(text).text).toBe(text);
    }
  });

  it("gives new lines the end that most have, and leaves the others alone", () => {
    const file = open("one\r\ntwo\nthree\r\n");
    file.change({ changes: { from: 7, insert: " more" } });
    expect(file.text).toBe("one\r\ntwo more\nthree\r\n");
    file.change({ changes: { from: 3, insert: "\nnew" } });
    expect(file.text).toBe("one\r\nnew\r\ntwo more\nthree\r\n");
    file.change({ changes: { from: 16, insert: "\n" } });
    expect(file.text).toBe("one\r\nnew\r\ntwo more\r\n\nthree\r\n");
  });

  it("forgets an end with its line break, and brings it back when that is undone", () => {
    const file = open("one\r\ntwo\nthree\r\nfour\r\n");
    file.change({ changes: { from: 7, to: 8 } });
    expect(file.text).toBe("one\r\ntwothree\r\nfour\r\n");
    file.undo();
    expect(file.text).toBe("one\r\ntwo\nthree\r\nfour\r\n");
    file.change({ changes: { from: 0, to: 13 } });
    file.change({ changes: { from: 0, insert: "zero" } });
    file.undo();
    expect(file.text).toBe("one\r\ntwo\nthree\r\nfour\r\n");
  });
});

describe("indentation", () => {
  it.each([
    ["Makefile", "", "\t"],
    ["rules.mk", "all:\n  x\n", "\t"],
    ["main.go", "", "\t"],
    ["x.c", "f() {\n\tg();\n\th();\n}\n", "\t"],
    ["x.py", "", "    "],
    ["x.py", "def f():\n  return 1\n", "  "],
    ["x.js", "f() {\n    g();\n}\n", "    "],
    ["x.nix", "{\n  a = 1;\n    b = 2;\n}\n", "  "],
    ["notes.txt", "", "  "],
  ])("of %s is what its lines have", (name, text, indent) => {
    expect(indentOf(name, text)).toBe(indent);
  });
});
