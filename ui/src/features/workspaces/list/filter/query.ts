import type { Workspace } from "../../../../api/types";

/** What the words of the filter can say of one property: `status:running`. */
export const KEYS = ["status", "template", "owner", "used", "package"] as const;
export type Key = (typeof KEYS)[number];

interface Term {
  /** undefined for a plain word. */
  key: Key | undefined;
  values: readonly string[];
  /** `-status:stopped`: all but those. */
  isNot: boolean;
}

const LONGEST = 200;
const TERM = new RegExp(`^(-?)(${KEYS.join("|")}):(.*)$`);

const wordsOf = (text: string): string[] => text.toLowerCase().split(/\s+/).filter(Boolean);

function termOfWord(word: string): Term {
  const [, not, key, values = ""] = TERM.exec(word) ?? [];
  return key
    ? { key: key as Key, values: values.split(",").filter(Boolean), isNot: not === "-" }
    : { key: undefined, values: [word], isNot: false };
}

/** Choices that had a place of their own in the address. */
const OLDER = ["status", "template"] as const;

/** An address's parameters without those that say what the filter shows. */
export function withoutFilter(search: Record<string, unknown>): Record<string, unknown> {
  const { q: _, status: _status, template: _template, ...rest } = search;
  return rest;
}

/** What stands in the address for the filter, in one text; choices of an older address are words of it. */
export function queryOf(search: Record<string, unknown>): string {
  const { q } = search;
  const words = typeof q === "string" || typeof q === "number" ? String(q) : "";
  const older = OLDER.flatMap((key) => {
    const value = search[key];
    const isSaid = valuesOf(words, key).length > 0;
    return !isSaid && typeof value === "string" && /^[\w-]+$/.test(value) ? [`${key}:${value}`] : [];
  });
  return [...older, words].filter(Boolean).join(" ").slice(0, LONGEST);
}

/** The values that the words give for a key, as they stand there. */
export const valuesOf = (text: string, key: Key): readonly string[] =>
  wordsOf(text)
    .map(termOfWord)
    .flatMap((term) => (term.key === key && !term.isNot ? term.values : []));

/** The words with what they say of a key replaced; by nothing, where the value is empty. */
export function withTerm(text: string, key: Key, value: string): string {
  const rest = text.split(/\s+/).filter((word) => word && termOfWord(word.toLowerCase()).key !== key);
  return [...(value ? [`${key}:${value}`] : []), ...rest].join(" ");
}

const UNIT_MS: Record<string, number> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Milliseconds of `36h`, `1d` or `2w`; null for anything else. */
export function spanMs(text: string): number | null {
  const [, count, unit] = /^(\d{1,4})([hdw])$/.exec(text) ?? [];
  return count && unit ? Number(count) * (UNIT_MS[unit] ?? 0) : null;
}

type Test = (workspace: Workspace) => boolean;

function testOf(key: Key | undefined, value: string, now: number): Test {
  switch (key) {
    case "status":
      return (workspace) => workspace.status.startsWith(value);
    case "template":
      return (workspace) => workspace.template.startsWith(value);
    case "owner":
      return (workspace) => workspace.owner.toLowerCase().startsWith(value);
    case "package":
      return (workspace) => workspace.packages.some((name) => name.toLowerCase() === value);
    case "used": {
      const since = new Date(now - (spanMs(value) ?? 0)).toISOString();
      return (workspace) => workspace.last_accessed >= since;
    }
    case undefined:
      return (workspace) =>
        workspace.name.includes(value) || workspace.id.includes(value) || workspace.packages.includes(value);
  }
}

/** Whether a workspace passes: every word must hold, of several values of one key or of one term any. */
export function passes(text: string, now: number): Test {
  const any = new Map<Key, Test[]>();
  const every: Test[] = [];
  for (const { key, values, isNot } of wordsOf(text).map(termOfWord)) {
    const tests = values.map((value) => testOf(key, value, now));
    if (tests.length === 0) continue;
    if (isNot) every.push((workspace) => !tests.some((test) => test(workspace)));
    else if (key) any.set(key, [...(any.get(key) ?? []), ...tests]);
    else every.push(...tests);
  }
  for (const tests of any.values()) every.push((workspace) => tests.some((test) => test(workspace)));
  return (workspace) => every.every((test) => test(workspace));
}

/** Ready-made filters: each says all of `status` and `used`, and nothing of anything else. */
export const PRESETS = {
  all: { status: "", used: "" },
  running: { status: "running", used: "" },
  failing: { status: "error", used: "" },
  recent: { status: "", used: "1d" },
} as const;
export type Preset = keyof typeof PRESETS;

/** The words with a preset in the place of what they said of its keys. */
export function withPreset(text: string, preset: Preset): string {
  const { status, used } = PRESETS[preset];
  return withTerm(withTerm(text, "used", used), "status", status);
}

/** The preset that the words amount to, if any. */
export function presetOf(text: string): Preset | undefined {
  const [status, used] = (["status", "used"] as const).map((key) => valuesOf(text, key).join());
  const found = Object.entries(PRESETS).find(([, one]) => one.status === status && one.used === used);
  return found?.[0] as Preset | undefined;
}

/** How many workspaces each preset has, of all that there are. */
export function countsOf(workspaces: readonly Workspace[], now: number): Record<Preset, number> {
  const since = new Date(now - (spanMs(PRESETS.recent.used) ?? 0)).toISOString();
  const counts = { all: workspaces.length, running: 0, failing: 0, recent: 0 };
  for (const { status, last_accessed } of workspaces) {
    if (status === "running") counts.running += 1;
    if (status === "error") counts.failing += 1;
    if (last_accessed >= since) counts.recent += 1;
  }
  return counts;
}
