import { describe, expect, it } from "vitest";
import { bytesOf, outputOf, readCast } from "../src/features/recordings/cast";
import { Playback, type Screen } from "../src/features/recordings/Playback";
import { mayType, type Presence } from "../src/features/terminal/connection/wire";

const HEAD = '{"version": 3, "term": {"cols": 80, "rows": 24}, "timestamp": 0}\n';
const cast = (...events: [number, string, string][]) =>
  readCast(HEAD + events.map((event) => JSON.stringify(event)).join("\n"));

describe("the file of a recording", () => {
  it("holds bytes that are no UTF-8", () => {
    expect([...bytesOf("ä\udcff\udc80😀")]).toEqual([0xc3, 0xa4, 0xff, 0x80, 0xf0, 0x9f, 0x98, 0x80]);
    const read = readCast(`${HEAD}[0.5, "o", "a\\udcc3"]\n[0.25, "o", "(b"]\n`);
    expect([...outputOf(read)]).toEqual([0x61, 0xc3, 0x28, 0x62]);
    expect(read.events.map(({ ms }) => ms)).toEqual([500, 750]);
    expect(read.milliseconds).toBe(750);
  });

  it("tells which commands were run, also where a mark comes in two parts", () => {
    const { commands } = cast(
      [1, "o", "\u001b]133;A\u0007$ \u001b]133;B\u0007ls"],
      [1, "o", " -l\u001b[0m\r\n\u001b]133;C"],
      [0.5, "o", "\u0007total 0\r\n\u001b]133;D;0\u0007"],
    );
    expect(commands).toEqual([{ ms: 2500, text: "ls -l" }]);
  });
});

function screen(): Screen & { said: string } {
  const shown = {
    said: "",
    reset: () => void (shown.said = ""),
    resize: (cols: number, rows: number) => void (shown.said += `[${cols}x${rows}]`),
    write: (data: Uint8Array) => void (shown.said += new TextDecoder().decode(data)),
  };
  return shown;
}

describe("playing", () => {
  const recorded = cast(
    [1, "o", "one "],
    [1, "r", "90x30"],
    [1, "o", "two "],
    [60, "o", "three"],
    [0, "x", "0"],
  );

  it("shows what was printed up to a place, also after going back", () => {
    const shown = screen();
    const playback = new Playback(recorded, shown);
    playback.seek(3000);
    expect(shown.said).toBe("[80x24]one [90x30]two ");
    playback.seek(1500);
    expect(shown.said).toBe("[80x24]one ");
    playback.seek(1e9);
    expect(shown.said).toBe("[80x24]one [90x30]two three");
    expect(playback.isAtEnd).toBe(true);
  });

  it("passes over long pauses", () => {
    const shown = screen();
    const playback = new Playback(recorded, shown);
    playback.seek(3000);
    playback.advance(100);
    expect(playback.ms).toBe(62_800);
    playback.advance(300);
    expect(shown.said).toContain("three");
  });
});

describe("typing at a terminal of several people", () => {
  const presence: Presence = {
    you: 1,
    people: [
      { id: 1, name: "Ann", mode: "peer", colour: 0, asks: false },
      { id: 2, name: "Bob", mode: "moderator", colour: 1, asks: false },
    ],
    total: 2,
    keyboard: 0,
    typist: 0,
    moderated: false,
    moderator: true,
    recorded: false,
  };

  it.each([
    ["all have the keyboard", {}, true],
    ["one has it", { keyboard: 1 }, true],
    ["another has it", { keyboard: 2 }, false],
    ["no moderator is there", { moderated: true, moderator: false }, false],
    ["a moderator is there", { moderated: true }, true],
    ["one only watches", { people: [{ ...presence.people[0]!, mode: "observer" as const }] }, false],
  ])("where %s", (_, change, expected) => {
    expect(mayType({ ...presence, ...change })).toBe(expected);
  });
});
