import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Chunk } from "../src/shared/Chunk";

const away = () => Promise.resolve(false);

describe("Chunk", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("is fetched once, however often it is asked for", async () => {
    const load = vi.fn<() => Promise<string>>(() => Promise.resolve("module"));
    const chunk = new Chunk(load, away);
    await Promise.all([chunk.load(), chunk.load()]);
    await chunk.load();
    expect(load).toHaveBeenCalledTimes(1);
    expect(chunk.state.get()).toEqual({ kind: "here", module: "module" });
  });

  it("is tried again for as long as somebody wants it, and never rejects", async () => {
    let isAnswering = false;
    const load = vi.fn<() => Promise<string>>(() =>
      isAnswering ? Promise.resolve("module") : Promise.reject(new Error("no")),
    );
    const chunk = new Chunk(load, away);
    const leave = chunk.want();
    await vi.advanceTimersByTimeAsync(0);
    expect(chunk.state.get()).toEqual({ kind: "away", reason: "offline" });
    isAnswering = true;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(chunk.state.get()).toEqual({ kind: "here", module: "module" });
    leave();
  });

  it("is left alone once nobody wants it", async () => {
    const load = vi.fn<() => Promise<string>>(() => Promise.reject(new Error("no")));
    const chunk = new Chunk(load, away);
    chunk.want()();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it("says that the page was replaced where the service answers and has it no more", async () => {
    const chunk = new Chunk(
      () => Promise.reject(new Error("404")),
      () => Promise.resolve(true),
    );
    await chunk.load();
    expect(chunk.state.get()).toEqual({ kind: "away", reason: "offline" });
    await chunk.load();
    expect(chunk.state.get()).toEqual({ kind: "away", reason: "replaced" });
  });
});
