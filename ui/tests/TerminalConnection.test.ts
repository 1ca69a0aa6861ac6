import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type ConnectionOptions,
  type ConnectionState,
  TerminalConnection,
} from "../src/features/terminal/connection/TerminalConnection";
import { makeTestSocket, TestSocket } from "./sockets";

const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text);

function connect(options: Partial<ConnectionOptions> = {}) {
  const shown: string[] = [];
  const gaps: [number, number][] = [];
  const states: ConnectionState[] = [];
  const pending: (() => void)[] = [];
  const connection = new TerminalConnection({
    url: "ws://test/terminal",
    session: "00000000000000a1",
    write: (data, done) => {
      shown.push(new TextDecoder().decode(data));
      pending.push(done);
    },
    onGap: (from, to) => gaps.push([from, to]),
    onResized: () => undefined,
    onState: (state) => states.push(state),
    makeSocket: makeTestSocket,
    random: () => 0,
    ...options,
  });
  connection.open(100, 30);
  const consume = () => {
    for (const done of pending.splice(0)) done();
  };
  return { connection, shown, gaps, states, consume };
}

const session = (offset = 0, end = offset, received = 0) => ({
  type: "session",
  id: "00000000000000a1",
  offset,
  end,
  input_received: received,
  cols: 100,
  rows: 30,
});

const clientOf = (url: string) => new URL(url).searchParams.get("client");

describe("TerminalConnection", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
    TestSocket.made.length = 0;
  });
  afterEach(() => vi.useRealTimers());

  it("asks for its terminal from the first byte on, with the window's size", () => {
    connect();
    const { url, protocol } = TestSocket.latest;
    const query = new URL(url).searchParams;
    const { client, ...rest } = Object.fromEntries(query);
    expect(rest).toEqual({ session: "00000000000000a1", offset: "0", cols: "100", rows: "30" });
    expect(client).toMatch(/^[1-9][0-9]*$/);
    expect(protocol).toBe("nixws.terminal.v1");
  });

  it("sends nothing before the session is there, then what was typed till then, as raw bytes", () => {
    const { connection } = connect();
    expect(connection.send("ls ü\r")).toBe(true);
    expect(TestSocket.latest.sent).toEqual([]);
    TestSocket.latest.text(session());
    expect(TestSocket.latest.sent).toEqual([bytesOf("ls ü\r")]);
  });

  it("goes on after the last byte it has when the socket breaks, without doubling what comes twice", () => {
    const { shown, gaps } = connect();
    TestSocket.latest.text(session());
    TestSocket.latest.output(bytesOf("abcdef"), 6);
    TestSocket.latest.break();
    vi.advanceTimersByTime(1_000);
    expect(TestSocket.made).toHaveLength(2);
    expect(new URL(TestSocket.latest.url).searchParams.get("offset")).toBe("6");
    TestSocket.latest.text(session(6, 9));
    TestSocket.latest.output(bytesOf("defghi"), 9);
    TestSocket.latest.output(bytesOf("ghi"), 9);
    expect(shown.join("")).toBe("abcdefghi");
    expect(gaps).toEqual([]);
  });

  it("gives every byte once whatever the cuts and breaks", () => {
    const printed = bytesOf(Array.from({ length: 2_000 }, (_, line) => `${line}\n`).join(""));
    const { shown, gaps, consume, connection } = connect();
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    TestSocket.latest.text(session());
    while (connection.offset < printed.length) {
      if (random(5) === 0) {
        TestSocket.latest.break();
        vi.advanceTimersByTime(20_000);
        TestSocket.latest.text(session(connection.offset));
      }
      const back = Math.min(connection.offset, random(50));
      const from = connection.offset - back;
      const end = Math.min(printed.length, from + 1 + random(400));
      TestSocket.latest.output(printed.slice(from, end), end);
      if (random(3) === 0) consume();
    }
    expect(shown.join("")).toBe(new TextDecoder().decode(printed));
    expect(gaps).toEqual([]);
  });

  it("reports what is lost, once, and only to somebody who had something before", () => {
    const first = connect();
    TestSocket.latest.text(session(500, 500));
    expect(first.gaps).toEqual([]);
    TestSocket.latest.output(bytesOf("x"), 501);
    TestSocket.latest.break();
    vi.advanceTimersByTime(1_000);
    TestSocket.latest.text(session(900));
    TestSocket.latest.text({ type: "gap", from: 501, to: 900 });
    expect(first.gaps).toEqual([[501, 900]]);
  });

  it("acknowledges frames as they come, those of one turn together, and once consumed where many wait", async () => {
    const { consume } = connect();
    TestSocket.latest.text(session());
    const size = 1 << 17;
    for (const count of [1, 2, 3]) TestSocket.latest.output(new Uint8Array(size), count * size);
    await Promise.resolve();
    expect(TestSocket.latest.messages).toEqual([{ type: "ack", frames: 2 }]);
    consume();
    await Promise.resolve();
    expect(TestSocket.latest.messages).toEqual([
      { type: "ack", frames: 2 },
      { type: "ack", frames: 1 },
    ]);
  });

  it("acknowledges nothing of a broken socket to the next one", async () => {
    const { consume } = connect();
    TestSocket.latest.text(session());
    TestSocket.latest.output(bytesOf("a"), 1);
    TestSocket.latest.break();
    vi.advanceTimersByTime(1_000);
    TestSocket.latest.text(session(1));
    consume();
    await Promise.resolve();
    expect(TestSocket.latest.messages).toEqual([]);
  });

  it("does not type a terminal's answers to a replay into the shell", () => {
    const { connection, consume } = connect();
    TestSocket.latest.text(session(0, 4));
    TestSocket.latest.output(bytesOf("\u001b[6n"), 4);
    expect(connection.isReplaying).toBe(true);
    expect(connection.send("\u001b[1;1R", false)).toBe(false);
    expect(connection.send("typed meanwhile")).toBe(true);
    consume();
    expect(connection.send("\u001b[1;1R", false)).toBe(true);
    expect(TestSocket.latest.typed).toBe("typed meanwhile\u001b[1;1R");
  });

  it("answers what a terminal asks that was opened just now", () => {
    const { connection } = connect({ isNew: true });
    TestSocket.latest.text(session(0, 4));
    expect(connection.send("\u001b[1;1R", false)).toBe(true);
  });

  it("keeps what is typed while it is disconnected, says how much, and sends it once", () => {
    const { connection, states } = connect();
    TestSocket.latest.text(session());
    connection.send("a");
    TestSocket.latest.break();
    expect(connection.send("bcd")).toBe(true);
    expect(states.at(-1)).toMatchObject({ kind: "waiting", kept: 3, isFull: false });
    vi.advanceTimersByTime(1_000);
    connection.send("e");
    TestSocket.latest.text(session(0, 0, 1));
    connection.send("f");
    expect(TestSocket.latest.typed).toBe("bcdef");
  });

  it("sends again what was under way, and only what did not arrive", () => {
    const { connection } = connect();
    TestSocket.latest.text(session());
    connection.send("0123456789");
    TestSocket.latest.text({ type: "received", input: 4 });
    TestSocket.latest.break();
    vi.advanceTimersByTime(1_000);
    TestSocket.latest.text(session(0, 0, 7));
    expect(TestSocket.latest.typed).toBe("789");
  });

  it("types every byte once whatever is lost and when", () => {
    const typed = Array.from({ length: 3_000 }, (_, at) => `${at};`).join("");
    const { connection } = connect();
    let seed = 11;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    let arrived = "";
    let at = 0;
    TestSocket.latest.text(session());
    const lose = () => {
      // Any beginning of what this socket was given has arrived, the rest is lost with it.
      const given = TestSocket.latest.typed;
      arrived += given.slice(0, random(given.length + 1));
      TestSocket.latest.break();
    };
    while (at < typed.length) {
      const size = 1 + random(300);
      connection.send(typed.slice(at, at + size));
      at += size;
      if (random(4) === 0) {
        lose();
        connection.send(typed.slice(at, at + 5));
        at += 5;
        vi.advanceTimersByTime(20_000);
        TestSocket.latest.text(session(0, 0, arrived.length));
      }
    }
    expect(arrived + TestSocket.latest.typed).toBe(typed);
  });

  it("does not repeat what was under way to a terminal that has forgotten this page", () => {
    const { connection } = connect();
    TestSocket.latest.text(session());
    connection.send("rm -r x\r");
    TestSocket.latest.text({ type: "received", input: 3 });
    TestSocket.latest.break();
    connection.send("ls\r");
    vi.advanceTimersByTime(1_000);
    TestSocket.latest.text(session(0, 0, 0));
    expect(TestSocket.latest.typed).toBe("ls\r");
    TestSocket.latest.break();
    vi.advanceTimersByTime(1_000);
    TestSocket.latest.text(session(0, 0, 1));
    expect(TestSocket.latest.typed).toBe("s\r");
  });

  it("keeps at most 64 KiB, and says so", () => {
    const { connection, states } = connect();
    TestSocket.latest.text(session());
    TestSocket.latest.break();
    expect(connection.send("x".repeat(65_000))).toBe(true);
    expect(connection.send("y".repeat(600))).toBe(false);
    expect(states.at(-1)).toMatchObject({ kept: 65_000, isFull: true });
    expect(connection.send("z")).toBe(true);
    expect(states.at(-1)).toMatchObject({ kept: 65_001, isFull: false });
    vi.advanceTimersByTime(1_000);
    TestSocket.latest.text(session());
    expect(TestSocket.latest.typed).toBe(`${"x".repeat(65_000)}z`);
  });

  it("cuts a large paste into messages that the service takes", () => {
    const { connection } = connect();
    TestSocket.latest.text(session());
    const text = "0123456789".repeat(300_000);
    connection.send(text);
    const sizes = TestSocket.latest.sent.map((one) => (one as Uint8Array).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
    expect(TestSocket.latest.typed).toBe(text);
  });

  it("forgets what was typed when the program has ended", () => {
    const { connection } = connect();
    TestSocket.latest.text(session());
    TestSocket.latest.text({ type: "exit", code: 0 });
    expect(connection.send("x")).toBe(false);
  });

  it("waits longer after each failure, at most about 15 s, and counts down to the moment", () => {
    const { states } = connect();
    const delays: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const before = Date.now();
      TestSocket.latest.break();
      const state = states.at(-1);
      if (state?.kind !== "waiting") throw new Error(`the state is ${state?.kind}`);
      delays.push(state.retryAt - before);
      vi.advanceTimersByTime(state.retryAt - before);
    }
    expect(delays).toEqual([375, 750, 1500, 3000, 6000, 11250, 11250, 11250]);
  });

  it("connects at once when asked, and only one socket is left", () => {
    const { connection } = connect();
    TestSocket.latest.break();
    connection.reconnectNow();
    expect(TestSocket.made).toHaveLength(2);
    vi.advanceTimersByTime(60_000);
    expect(TestSocket.made.filter((one) => !one.isClosed)).toHaveLength(1);
  });

  it.each([4400, 4401, 4403, 4404, 4409])("does not try again by itself after close code %i", (code) => {
    const { states, connection } = connect();
    TestSocket.latest.text({ type: "error", code: "x", message: "the reason" });
    TestSocket.latest.break(code);
    vi.advanceTimersByTime(60_000);
    expect(states.at(-1)).toEqual({ kind: "failed", closeCode: code, message: "the reason" });
    expect(TestSocket.made).toHaveLength(1);
    connection.reconnectNow();
    expect(TestSocket.made).toHaveLength(2);
  });

  it("keeps away for five seconds from a service that has too much to do", () => {
    connect();
    TestSocket.latest.break(4429);
    vi.advanceTimersByTime(4_999);
    expect(TestSocket.made).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(TestSocket.made).toHaveLength(2);
  });

  it("notices a connection that died without a word", () => {
    const { states } = connect();
    TestSocket.latest.text(session());
    vi.advanceTimersByTime(10_000);
    expect(TestSocket.latest.messages).toEqual([{ type: "ping" }]);
    TestSocket.latest.text({ type: "pong" });
    vi.advanceTimersByTime(20_000);
    expect(states.at(-1)?.kind).toBe("open");
    vi.advanceTimersByTime(10_000);
    expect(states.at(-1)?.kind).toBe("waiting");
  });

  it("tells a dragged window's size once", () => {
    const { connection } = connect();
    TestSocket.latest.text(session());
    for (let cols = 80; cols < 120; cols += 1) connection.resize(cols, 40);
    vi.advanceTimersByTime(100);
    expect(TestSocket.latest.messages).toEqual([{ type: "resize", cols: 119, rows: 40 }]);
  });

  it("ends with the shell and is silent after close", () => {
    const { connection, states } = connect();
    TestSocket.latest.text(session());
    TestSocket.latest.text({ type: "exit", code: 3 });
    expect(states.at(-1)).toEqual({ kind: "ended", code: 3 });
    connection.close();
    TestSocket.latest.break();
    vi.advanceTimersByTime(60_000);
    expect(states.at(-1)).toEqual({ kind: "closed" });
    expect(TestSocket.made).toHaveLength(1);
  });

  it("shrugs at messages that it does not know", () => {
    const { states, shown } = connect();
    TestSocket.latest.text(session());
    TestSocket.latest.text({ type: "weather", data: 3 });
    TestSocket.latest.dispatchEvent(new MessageEvent("message", { data: "{not json" }));
    TestSocket.latest.dispatchEvent(new MessageEvent("message", { data: new ArrayBuffer(3) }));
    expect(states.at(-1)?.kind).toBe("open");
    expect(shown).toEqual([]);
  });

  it("holds back what may not be typed, and begins to count anew where something was dropped", () => {
    const told: number[] = [];
    const { connection, states } = connect({ onPresence: ({ keyboard }) => told.push(keyboard) });
    const first = TestSocket.latest;
    expect(new URL(first.url).searchParams.get("presence")).toBe("1");
    first.text(session());
    const presence = { type: "presence", you: 1, people: [], total: 2, moderated: false, moderator: true };
    first.text({ ...presence, keyboard: 0 });
    expect(connection.send("under way")).toBe(true);
    first.text({ ...presence, keyboard: 2 });
    expect(connection.send("held back")).toBe(false);
    first.text({ type: "error", code: "keyboard_elsewhere", message: "" });
    const second = TestSocket.latest;
    expect(second).not.toBe(first);
    expect(clientOf(second.url)).not.toBe(clientOf(first.url));
    second.text(session());
    second.text({ ...presence, keyboard: 0 });
    expect(connection.send("once more")).toBe(true);
    expect(states.at(-1)?.kind).toBe("open");
    expect(told).toEqual([0, 2, 0]);
  });
});
