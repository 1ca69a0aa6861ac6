import { afterEach, describe, expect, it } from "vitest";
import type { Phase } from "../src/api/types";
import { de } from "../src/shared/i18n/de";
import type { MessageKey } from "../src/shared/i18n/en";
import { en } from "./english";
import { translator } from "../src/shared/i18n/messages";
import { jsonLines } from "../src/api/LineStream";
import { ansiSpans, plainText } from "../src/shared/ansi";
import { backoff } from "../src/shared/backoff";
import { matching } from "../src/shared/entries";
import { duration, bytes, gigabytes, modeText, percent, relativeTime } from "../src/shared/format";
import { keptStore } from "../src/shared/Store";
import {
  lasted,
  overallFraction,
  PHASES,
  phasesOf,
  phaseState,
  tookInAll,
} from "../src/features/workspaces/phases";
import { sparkPath } from "../src/ui/sparkPath";
import { limitsOf, nameProblem, portsOf, sizeProblem } from "../src/features/workspaces/creation/validation";

const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).toSorted();
const entry = (text: string) => ({ id: text, text, run: () => undefined });
const isNumber = (value: unknown): value is number => typeof value === "number";

describe("formats", () => {
  it("writes sizes as the API counts them", () => {
    expect(gigabytes(2, "en")).toBe("2 GB");
    expect(gigabytes(0.25, "en")).toBe("256 MB");
    expect(gigabytes(1.5, "de")).toBe("1,5 GB");
    expect(bytes(0, "en")).toBe("0 B");
    expect(bytes(1023, "en")).toBe("1,023 B");
    expect(bytes(1536, "en")).toBe("1.5 KB");
    expect(bytes(5 * 1024 ** 4, "en")).toBe("5 TB");
    expect(percent(45.2, "en")).toBe("45%");
  });

  it("writes how long ago", () => {
    const now = Date.parse("2026-01-02T00:00:00Z");
    expect(relativeTime("2026-01-02T00:00:00Z", now, "en")).toBe("now");
    expect(relativeTime("2026-01-01T23:55:00Z", now, "en")).toBe("5 minutes ago");
    expect(relativeTime("2026-01-01T00:00:00Z", now, "de")).toBe("gestern");
  });

  it("writes modes as ls does", () => {
    expect(modeText(0o755)).toBe("rwxr-xr-x");
    expect(modeText(0o100640)).toBe("rw-r-----");
  });
});

describe("messages", () => {
  it("have the same places to fill in both languages", () => {
    for (const key of Object.keys(en) as MessageKey[]) {
      expect(places(de[key]), key).toEqual(places(en[key]));
      expect(de[key], key).not.toBe("");
    }
  });

  it("fill in names as they are and count", () => {
    const t = translator("en", en);
    expect(t("list.select", { name: "<img src=x>" })).toBe("Select <img src=x>");
    expect(t.count("templates.uses", 1)).toBe("1 workspace");
    expect(t.count("templates.uses", 1234)).toBe("1,234 workspaces");
  });
});

describe("log lines", () => {
  it("keep colours and drop every other control sequence", () => {
    expect(ansiSpans("a\u001b[1;31mred\u001b[0mb")).toEqual([
      { text: "a", classes: "" },
      { text: "red", classes: "ansi-bold ansi-red" },
      { text: "b", classes: "" },
    ]);
    expect(plainText("\u001b]52;c;aGk=\u0007x\u001b[2Jy\u001b]0;title\u001b\\z\r")).toBe("xyz");
  });

  it("arrive whole whatever the pieces", async () => {
    const text = '{"text":"ü"}\n\n{"text":"2"}\n{"text":"last"}';
    const raw = new TextEncoder().encode(text);
    for (const size of [1, 2, 7, 1000]) {
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < raw.length; at += size) controller.enqueue(raw.slice(at, at + size));
          controller.close();
        },
      });
      const lines: unknown[] = [];
      for await (const line of jsonLines(stream)) lines.push(line);
      expect(lines).toEqual([{ text: "ü" }, { text: "2" }, { text: "last" }]);
    }
  });
});

describe("checking what is typed", () => {
  it("knows the names that the service takes", () => {
    for (const good of ["a", "my-dev-env", "0a", "a".repeat(63)])
      expect(nameProblem(good, []), good).toBeNull();
    for (const bad of ["", "A", "a_b", "-a", "a-", "123", "ws-abc", "a".repeat(64), "ä", "a b"]) {
      expect(nameProblem(bad, []), bad).toBe("create.nameInvalid");
    }
    expect(nameProblem("taken", [{ name: "taken" }])).toBe("create.nameTaken");
  });

  it("knows sizes and ports", () => {
    const limits = limitsOf({
      cpu_total: 4,
      cpu_free: 1,
      cpu_committed: 0,
      memory_committed: 0,
      memory_total: 8,
      memory_free: 2,
      storage_total: 100,
      storage_free: 50,
    });
    for (const good of ["0.25", "4", " 2 "]) expect(sizeProblem(good, limits.cpu), good).toBe(false);
    for (const bad of ["", "x", "0", "-1", "4.1", "NaN", "Infinity", "1e9"]) {
      expect(sizeProblem(bad, limits.cpu), bad).toBe(true);
    }
    expect(sizeProblem("1000", limitsOf(null).memory)).toBe(false);
    expect(portsOf("8080, 443 8080")).toEqual([443, 8080]);
    expect(portsOf("")).toEqual([]);
    for (const bad of ["0", "65536", "80-90", "http", "1e3"]) expect(portsOf(bad), bad).toBeNull();
  });
});

const at = (second: number) => new Date(second * 1000).toISOString();
const time = (phase: Phase, from: number, to: number | null) => ({
  phase,
  started_at: at(from),
  ended_at: to === null ? null : at(to),
});

describe("progress and figures", () => {
  it("tells how long each phase and all of them took", () => {
    const times = [time("volume", 10, 10.2), time("boot", 10.2, 11.5), time("ready", 11.5, 11.5)];
    expect(phasesOf(times)).toEqual(["volume", "boot", "ready"]);
    expect(phasesOf([])).toEqual(PHASES);
    expect(tookInAll(times)).toBe(1_500);
    expect(tookInAll(times.slice(0, 2))).toBeNull();
    expect(lasted(time("boot", 10, null), 12_000)).toBe(2_000);
    expect(lasted(time("boot", 10, null), 9_000)).toBe(0);
    expect([duration(840, "en"), duration(42_300, "en"), duration(125_000, "en")]).toEqual([
      "0.8s",
      "42s",
      "2m 5s",
    ]);
  });

  it("orders the phases", () => {
    const progress = { phase: "build" as const, fraction: 0.5 };
    expect(phaseState("fetch", progress)).toBe("done");
    expect(phaseState("build", progress)).toBe("now");
    expect(phaseState("boot", progress)).toBe("waiting");
    expect(overallFraction(progress)).toBeCloseTo(0.5);
    expect(overallFraction({ phase: "ready", fraction: null })).toBe(1);
  });

  it("draws gaps as gaps and keeps within its box", () => {
    expect(sparkPath([], 100, 20)).toBe("");
    expect(sparkPath([0, null, 250], 59, 21).match(/M/g)).toHaveLength(2);
    expect(sparkPath([250], 59, 21)).toBe("M59.0 1.0");
  });

  it("waits longer each time", () => {
    expect([0, 1, 2, 20].map((attempt) => backoff(attempt, 1))).toEqual([500, 1000, 2000, 15_000]);
  });
});

describe("palette", () => {
  it("offers what begins with the words first", () => {
    const entries = [entry("Go to stop"), entry("Stop alpha"), entry("Start alpha")];
    expect(matching(entries, "stop").map((one) => one.text)).toEqual(["Stop alpha", "Go to stop"]);
    expect(matching(entries, "alpha st")).toHaveLength(2);
  });
});

describe("kept stores", () => {
  afterEach(() => localStorage.clear());

  it("survive a reload and distrust what they find", () => {
    keptStore("n", 1, isNumber).set(5);
    expect(keptStore("n", 1, isNumber).get()).toBe(5);
    localStorage.setItem("n", '"text"');
    expect(keptStore("n", 1, isNumber).get()).toBe(1);
    localStorage.setItem("n", "{broken");
    expect(keptStore("n", 1, isNumber).get()).toBe(1);
  });
});
