import type { Terminal } from "@xterm/xterm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Flood, skipEmptySelections } from "../src/features/terminal/pane/Flood";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A terminal that takes in what it is given when it is told to, and draws when it is asked to. */
function pretend() {
  const modes = { synchronizedOutput: false };
  const waiting: (() => void)[] = [];
  const given: number[] = [];
  const listeners: (() => void)[] = [];
  const refresh = vi.fn<(start: number, end: number) => void>();
  const terminal = {
    rows: 24,
    refresh,
    write: (data: Uint8Array, done: () => void) => {
      given.push(data.length);
      waiting.push(done);
    },
    onRender: (listener: () => void) => {
      listeners.push(listener);
      return { dispose: () => undefined };
    },
    _core: { coreService: { decPrivateModes: modes } },
  };
  const flood = new Flood(terminal as unknown as Terminal);
  const draw = () => listeners.forEach((listener) => listener());
  const takeIn = () => waiting.splice(0).forEach((done) => done());
  return { flood, modes, refresh, draw, takeIn, given };
}

const nothing = () => undefined;

/** The next turn of the page: what it told itself has arrived. */
const turn = () =>
  new Promise<void>((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener("message", () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(null);
  });

describe("a flood", () => {
  it("is drawn now and then, and at its end", async () => {
    const { flood, modes, refresh, takeIn } = pretend();
    flood.write(new Uint8Array(20_000), nothing);
    expect(modes.synchronizedOutput).toBe(true);
    vi.advanceTimersByTime(99);
    expect(modes.synchronizedOutput).toBe(true);
    vi.advanceTimersByTime(1);
    expect(modes.synchronizedOutput).toBe(false);
    expect(refresh.mock.calls).toEqual([[0, 23]]);
    flood.write(new Uint8Array(20_000), nothing);
    expect(modes.synchronizedOutput).toBe(true);
    takeIn();
    await turn();
    takeIn();
    vi.advanceTimersByTime(30);
    expect(modes.synchronizedOutput).toBe(false);
    expect(refresh).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(1_000);
    expect(refresh).toHaveBeenCalledTimes(2);
  });

  it("is none while what comes is drawn, and none that a program holds itself", () => {
    const { flood, modes, refresh, draw } = pretend();
    for (let count = 0; count < 10; count++) {
      flood.write(new Uint8Array(10_000), nothing);
      draw();
    }
    expect(modes.synchronizedOutput).toBe(false);
    modes.synchronizedOutput = true;
    flood.write(new Uint8Array(20_000), nothing);
    vi.advanceTimersByTime(1_000);
    expect(modes.synchronizedOutput).toBe(true);
    expect(refresh).not.toHaveBeenCalled();
  });

  it("is taken in piece by piece, whole and in order, and told when its last piece is", async () => {
    const { flood, takeIn, given } = pretend();
    const done: string[] = [];
    flood.write(new Uint8Array(70_000), () => done.push("first"));
    flood.write(new Uint8Array(0), () => done.push("empty"));
    flood.write(new Uint8Array(5), () => done.push("last"));
    expect(given).toEqual([32_768]);
    for (const wanted of [[], [], ["first"], ["first", "empty"], ["first", "empty", "last"]]) {
      takeIn();
      await turn();
      expect(done).toEqual(wanted);
    }
    expect(given).toEqual([32_768, 32_768, 4_464, 0, 5]);
  });
});

describe("a selection that there is not", () => {
  it("is not drawn, but its end is", () => {
    const draw = vi.fn<() => void>();
    const service = { handleSelectionChanged: draw as (...given: unknown[]) => void };
    skipEmptySelections({ _core: { _renderService: service } } as unknown as Terminal);
    const select = (start?: number[], end?: number[]) => service.handleSelectionChanged(start, end, false);
    select();
    select([3, 4], [3, 4]);
    expect(draw).not.toHaveBeenCalled();
    select([3, 4], [5, 4]);
    select([3, 4], [6, 4]);
    select();
    expect(draw).toHaveBeenCalledTimes(3);
    select();
    expect(draw).toHaveBeenCalledTimes(3);
  });
});
