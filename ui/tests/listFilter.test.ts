import { describe, expect, it } from "vitest";
import { freeName, quickConfig } from "../src/features/workspaces/home/quickConfig";
import { searchOf } from "../src/features/workspaces/list/filter/address";
import {
  countsOf,
  passes,
  presetOf,
  queryOf,
  spanMs,
  valuesOf,
  withPreset,
  withTerm,
} from "../src/features/workspaces/list/filter/query";
import { NEWEST, pressed, sorted, sortingOf, sortText } from "../src/features/workspaces/list/filter/sorting";
import { COLUMNS, fitted } from "../src/features/workspaces/list/table/columns";
import { workspace } from "./workspaces";

const NOW = Date.parse("2026-01-10T12:00:00.000Z");
const a = workspace({
  id: "a",
  name: "alpha",
  cpu: 1,
  created_at: "2026-01-03T00:00:00.000Z",
  last_accessed: "2026-01-10T11:00:00.000Z",
  packages: ["git"],
  usage: { cpu_usage: 5, memory_usage: 80, storage_usage: 1 },
});
const b = workspace({ id: "b", name: "beta", cpu: 4, status: "stopped", template: "python", owner: "Ada" });
const c = workspace({
  id: "c",
  name: "gamma-alpha",
  cpu: 4,
  created_at: "2026-01-02T00:00:00.000Z",
  usage: { cpu_usage: 50, memory_usage: 8, storage_usage: 1 },
});
const d = workspace({ id: "d", name: "delta", status: "error" });
const all = [a, b, c, d];
const found = (text: string) => all.filter(passes(text, NOW)).map((one) => one.name);
const inOrder = (text: string) =>
  sorted(all, sortingOf(text), (one) => one.usage ?? null).map((one) => one.name);

describe("the filter", () => {
  it("wants every word, in names, ids and packages, whatever their case", () => {
    expect(found("ALPHA")).toEqual(["alpha", "gamma-alpha"]);
    expect(found("alpha gamma")).toEqual(["gamma-alpha"]);
    expect(found("git")).toEqual(["alpha"]);
    expect(found("  ")).toHaveLength(4);
  });

  it("understands terms: several of one key are any of them, a minus is none of them", () => {
    expect(found("status:stop")).toEqual(["beta"]);
    expect(found("status:stopped,error")).toEqual(["beta", "delta"]);
    expect(found("status:stopped status:error")).toEqual(["beta", "delta"]);
    expect(found("-status:running -template:python")).toEqual(["delta"]);
    expect(found("template:dev status:running gamma")).toEqual(["gamma-alpha"]);
    expect(found("owner:ada")).toEqual(["beta"]);
    expect(found("package:git")).toEqual(["alpha"]);
    expect(found("used:2h")).toEqual(["alpha"]);
    expect(found("used:2w")).toEqual(["alpha", "beta", "gamma-alpha", "delta"]);
  });

  it("is not disturbed by a term that is still being typed", () => {
    expect(found("status:")).toHaveLength(4);
    expect(found("nokey:x")).toEqual([]);
    expect(spanMs("soon")).toBeNull();
  });

  it("is one text, whoever writes it", () => {
    expect(withTerm("status:error seen template:python", "status", "running")).toBe(
      "status:running seen template:python",
    );
    expect(withTerm("status:error seen", "status", "")).toBe("seen");
    expect(withPreset("seen used:1d", "running")).toBe("status:running seen");
    expect(presetOf("seen status:error")).toBe("failing");
    expect(presetOf("status:paused")).toBeUndefined();
    expect(presetOf("template:python")).toBe("all");
    expect(valuesOf("template:python,nodejs x", "template")).toEqual(["python", "nodejs"]);
    expect(countsOf(all, NOW)).toEqual({ all: 4, running: 2, failing: 1, recent: 1 });
  });

  it("reads any address, also those of older pages, and writes only what differs", () => {
    expect(queryOf({ q: 7, status: {}, template: null })).toBe("7");
    expect(
      searchOf({ q: "", status: "error", sort: "created", view: "piles", new: "true", junk: 1 }),
    ).toEqual({
      q: "status:error",
      new: true,
    });
    expect(searchOf({ sort: "-cpu", view: "cards" })).toEqual({ sort: "-cpu", view: "cards" });
  });
});

describe("the order", () => {
  it("is by any property, both ways, equal ones by name", () => {
    expect(inOrder("")).toEqual(["alpha", "gamma-alpha", "beta", "delta"]);
    expect(inOrder("name")).toEqual(["alpha", "beta", "delta", "gamma-alpha"]);
    expect(inOrder("-name")).toEqual(["gamma-alpha", "delta", "beta", "alpha"]);
    expect(inOrder("size")).toEqual(["beta", "gamma-alpha", "alpha", "delta"]);
    expect(inOrder("status")).toEqual(["alpha", "gamma-alpha", "beta", "delta"]);
  });

  it("is by use, those of which nothing is known last", () => {
    expect(inOrder("cpu")).toEqual(["gamma-alpha", "alpha", "beta", "delta"]);
    expect(inOrder("memory")).toEqual(["alpha", "gamma-alpha", "beta", "delta"]);
  });

  it("goes around with each press on a head", () => {
    const first = pressed(NEWEST, "cpu");
    const second = pressed(first, "cpu");
    expect([sortText(first), sortText(second), sortText(pressed(second, "cpu"))]).toEqual([
      "cpu",
      "-cpu",
      "",
    ]);
    expect(sortingOf("nonsense")).toEqual(NEWEST);
  });
});

describe("columns", () => {
  it("are as many as there is room for, the name and its status always", () => {
    expect(fitted(COLUMNS, 120).columns).toEqual(COLUMNS);
    expect(fitted(["open", "cpu", "memory", "storage", "used"], 84).columns).toHaveLength(5);
    // A few pixels more change no row.
    expect(fitted(COLUMNS, 121)).toBe(fitted(COLUMNS, 120));
    expect(fitted(COLUMNS, 23)).toMatchObject({ columns: [], hasAction: false });
  });
});

describe("a thousand and ten thousand", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => workspace({ id: `ws-${i}`, name: `workspace-${i}` }));

  it("are filtered in well under a frame", () => {
    const times = Array.from({ length: 10 }, () => {
      const started = performance.now();
      many.filter(passes("workspace-9 status:run", NOW));
      return performance.now() - started;
    });
    // The quickest round: what else the machine does is not to be told by this.
    expect(Math.min(...times)).toBeLessThan(16);
  });
});

describe("a workspace with one click", () => {
  it("has a name that is free", () => {
    expect(freeName("python", [])).toBe("python");
    expect(freeName("python", [{ name: "python" }, { name: "python-2" }])).toBe("python-3");
  });

  it("asks for no more than there is", () => {
    const capacity = {
      cpu_total: 1,
      cpu_free: 0,
      cpu_committed: 0,
      memory_committed: 0,
      memory_total: 3.3,
      memory_free: 1,
      storage_total: 9,
      storage_free: 7.9,
    };
    expect(quickConfig("python", capacity, [])).toMatchObject({
      cpu: 1,
      memory: 3,
      storage: 7.5,
      packages: [],
    });
    expect(quickConfig("python", null, [])).toMatchObject({ cpu: 2, memory: 4, storage: 20 });
  });
});
