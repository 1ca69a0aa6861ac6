import { describe, expect, it } from "vitest";
import type { Entry } from "../src/features/files/api";
import { filesSearchOf } from "../src/features/files/address";
import { best } from "../src/features/files/finding/fuzzy";
import { linesOf } from "../src/features/files/finding/stream";
import { parts } from "../src/features/files/listing/EndName";
import { forAll } from "../src/features/files/listing/forAll";
import { ordered, turned } from "../src/features/files/listing/order";
import { between } from "../src/features/files/listing/useMarked";
import { addressOf } from "../src/features/files/preview/linked";

const entry = (name: string, more: Partial<Entry> = {}): Entry => ({
  name,
  path: `/home/nixos/${encodeURIComponent(name)}`,
  type: "file",
  size: 1,
  mode: "0644",
  modified: "2026-01-01T00:00:00Z",
  link_target: null,
  ...more,
});
const namesOf = (entries: readonly Entry[]) => entries.map((one) => one.name);

describe("the order of a directory", () => {
  const entries = [
    entry("b10", { size: 5 }),
    entry("b9", { size: 7, modified: "2026-02-01T00:00:00Z" }),
    entry("z", { type: "directory" }),
    entry("Ä"),
  ];

  it("has directories first, and numbers by their size", () => {
    expect(namesOf(ordered(entries, "name", "en"))).toEqual(["z", "Ä", "b9", "b10"]);
    expect(namesOf(ordered(entries, "-size", "en"))).toEqual(["z", "b9", "b10", "Ä"]);
    expect(namesOf(ordered(entries, "-modified", "en"))).toEqual(["z", "b9", "b10", "Ä"]);
  });

  it("is turned round by a second click", () => {
    expect(turned("name", "size")).toBe("-size");
    expect(turned("-size", "size")).toBe("size");
    expect(turned("size", "name")).toBe("name");
    expect(turned("name", "name")).toBe("-name");
  });
});

describe("what is selected", () => {
  it("is a range in either direction", () => {
    const shown = ["a", "b", "c", "d"].map((name) => entry(name));
    const path = (at: number) => shown[at]?.path ?? "";
    expect(between(shown, path(2), path(0))).toEqual([path(0), path(1), path(2)]);
    expect(between(shown, "/gone", path(3))).toEqual([path(3)]);
  });

  it("is worked through to its end whatever fails", async () => {
    const done: number[] = [];
    const failed = await forAll([1, 2, 3, 4, 5, 6], async (one) => {
      if (one === 2) throw new Error("two");
      done.push(one);
    });
    expect(failed?.message).toBe("two");
    expect(done.toSorted()).toEqual([1, 3, 4, 5, 6]);
  });
});

describe("an address of files", () => {
  it("is read without what makes no sense", () => {
    expect(
      filesSearchOf({ path: "/a", order: "upside", file: 3, line: -1, rendered: "yes", find: 12 }),
    ).toEqual({ path: "/a", find: "12" });
    expect(filesSearchOf({ order: "-size", line: 4, rendered: true })).toEqual({
      order: "-size",
      line: 4,
      rendered: true,
    });
  });
});

describe("quick open", () => {
  it("prefers letters of the name, at the beginnings of words", () => {
    const paths = ["nix/configure/other.txt", "a/b/configuration.nix", "src/conf_nix_old.py", "README.md"];
    expect(best(paths, "conf nix", 9).slice(0, 2).toSorted()).toEqual([
      "a/b/configuration.nix",
      "src/conf_nix_old.py",
    ]);
    expect(best(paths, "readme", 9)).toEqual(["README.md"]);
    expect(best(paths, "xyz", 9)).toEqual([]);
    expect(best(paths, "", 2)).toEqual(paths.slice(0, 2));
  });

  it("looks through twenty thousand names within a frame or two", () => {
    const paths = Array.from(
      { length: 20_000 },
      (_, at) => `project-${at % 50}/src/module_${at}/file-${at}.ts`,
    );
    const start = performance.now();
    best(paths, "mod19file", 50);
    expect(performance.now() - start).toBeLessThan(200);
  });
});

describe("a stream of lines", () => {
  it("is read whatever its pieces are", async () => {
    const bytes = new TextEncoder().encode('{"path":"ä"}\n{"path":"b"}\n{"tool":"find"}\n');
    for (const size of [1, 5, 100]) {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
          controller.close();
        },
      });
      const found: unknown[] = [];
      for await (const lines of linesOf(body)) found.push(...lines);
      expect(found).toEqual([{ path: "ä" }, { path: "b" }, { tool: "find" }]);
    }
  });
});

describe("a link of a Markdown file", () => {
  const path = "/home/nixos/docs/read.md";

  it.each([
    ["https://nixos.org/", { href: "https://nixos.org/" }],
    ["mailto:a@b.c", { href: "mailto:a@b.c" }],
    ["other.md", { file: "/home/nixos/docs/other.md" }],
    ["../x y.md#part", { file: "/home/nixos/x%20y.md" }],
    ["/etc/%66stab", { file: "/etc/fstab" }],
    ["../../../../../etc/passwd", { file: "/etc/passwd" }],
  ])("%s leads somewhere", (target, address) => {
    expect(addressOf(target, path)).toEqual(address);
  });

  it.each([
    "javascript:alert(1)",
    "JaVaScript:alert(1)",
    "data:text/html,x",
    "//evil.invalid/",
    "#here",
    "vbscript:x",
    "file:///etc",
    "\\\\evil\\x",
  ])("%s leads nowhere", (target) => {
    expect(addressOf(target, path)).toBeNull();
  });
});

describe("a long name", () => {
  it("keeps its end", () => {
    expect(parts("short.txt")).toEqual(["short.txt", ""]);
    const [head, end] = parts("a-very-long-name-that-goes-on-and-on-2026.tar.gz");
    expect(head + end).toBe("a-very-long-name-that-goes-on-and-on-2026.tar.gz");
    expect(end).toBe("on-2026.tar.gz");
  });
});
