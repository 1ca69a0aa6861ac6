import { QueryClient } from "@tanstack/react-query";
import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EventsSocket } from "../src/api/EventsSocket";
import {
  applyLive,
  changingTerminals,
  isLive,
  onGone,
  terminalsKey,
  useOpen,
  useUsage,
  watch,
  wish,
} from "../src/api/live";
import { makeTestSocket, TestSocket } from "./sockets";

const METRICS = { cpu_usage: 1, memory_usage: 2, storage_usage: 3 };
const nothing = () => undefined;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  TestSocket.made.length = 0;
});
afterEach(() => vi.useRealTimers());

describe("a wish", () => {
  it("holds what is in sight, each once, and is told when that has settled", () => {
    const seen = vi.fn<() => void>();
    const forget = wish.subscribe(seen);
    const ends = [watch("usage", "a"), watch("usage", "a"), watch("usage", "b"), watch("terminals", "a")];
    expect(seen).not.toHaveBeenCalled();
    vi.advanceTimersByTime(200);
    expect(seen).toHaveBeenCalledTimes(1);
    expect(wish.get()).toEqual({ usage: ["a", "b"], terminals: ["a"], ports: [] });
    ends[0]?.();
    vi.advanceTimersByTime(200);
    expect(seen).toHaveBeenCalledTimes(1);
    for (const end of ends.slice(1)) end();
    vi.advanceTimersByTime(200);
    expect(wish.get()).toEqual({ usage: [], terminals: [], ports: [] });
    forget();
  });

  it("is never longer than the service reads: what came last is watched", () => {
    const ends = Array.from({ length: 230 }, (_, index) => watch("usage", `w${index}`));
    vi.advanceTimersByTime(200);
    expect(wish.get().usage).toHaveLength(200);
    expect(wish.get().usage.at(-1)).toBe("w229");
    for (const end of ends) end();
    vi.advanceTimersByTime(200);
  });

  it("is said on the socket, and said again after every break", () => {
    const socket = new EventsSocket({
      url: "ws://test/events",
      onEvents: nothing,
      onGap: nothing,
      onRefused: nothing,
      onState: nothing,
      makeSocket: makeTestSocket,
      random: () => 0,
    });
    socket.connect();
    socket.watch({ usage: ["a"], terminals: [], ports: [] });
    TestSocket.latest.open();
    expect(TestSocket.latest.messages).toEqual([{ type: "watch", usage: ["a"], terminals: [], ports: [] }]);
    socket.watch({ usage: ["b"], terminals: ["b"], ports: [] });
    expect(TestSocket.latest.messages.at(-1)).toEqual({
      type: "watch",
      usage: ["b"],
      terminals: ["b"],
      ports: [],
    });
    TestSocket.latest.break();
    socket.watch({ usage: ["c"], terminals: [], ports: [] });
    vi.advanceTimersByTime(1_000);
    TestSocket.latest.open();
    expect(TestSocket.latest.messages).toEqual([{ type: "watch", usage: ["c"], terminals: [], ports: [] }]);
    socket.close();
  });
});

describe("what is told of watched workspaces", () => {
  it("reaches those who look, and is forgotten with the workspace", () => {
    const client = new QueryClient();
    const gone: string[] = [];
    onGone((id) => gone.push(id));
    const { result, rerender } = renderHook(() => ({ usage: useUsage("a"), open: useOpen("a") }));
    expect(result.current).toEqual({ usage: null, open: null });
    act(() =>
      applyLive(client, [
        { type: "workspace.usage", workspace_id: "a", at: "2026-01-01T00:00:00.000Z", metrics: METRICS },
        { type: "workspace.open", workspace_id: "a", open: { terminals: 2, ports: [3000] } },
      ]),
    );
    expect(result.current.usage).toEqual({ at: Date.UTC(2026, 0, 1), metrics: METRICS });
    expect(result.current.open).toEqual({ terminals: 2, ports: [3000] });
    act(() => applyLive(client, [{ type: "workspace.deleted", workspace_id: "a" }]));
    rerender();
    expect(result.current).toEqual({ usage: null, open: null });
    expect(gone).toEqual(["a"]);
  });

  it("takes the place of a list of terminals that somebody has asked for, and makes none", () => {
    const client = new QueryClient();
    const terminals = [{ id: "t", name: "", title: "", process: "vim", cwd: "", exit_status: null }];
    const event = { type: "workspace.terminals", workspace_id: "a", terminals };
    applyLive(client, [event]);
    expect(client.getQueryData(terminalsKey("a"))).toBeUndefined();
    client.setQueryData(terminalsKey("a"), []);
    applyLive(client, [event]);
    expect(client.getQueryData(terminalsKey("a"))).toEqual(terminals);
  });

  it("does not undo what was changed from here meanwhile", () => {
    const client = new QueryClient();
    client.setQueryData(terminalsKey("b"), ["opened here"]);
    const old = { type: "workspace.terminals", workspace_id: "b", terminals: [], ports: [] };
    const done = changingTerminals("b");
    applyLive(client, [{ ...old, received: performance.now() }]);
    expect(client.getQueryData(terminalsKey("b"))).toEqual(["opened here"]);
    const received = performance.now();
    vi.advanceTimersByTime(5);
    done();
    applyLive(client, [{ ...old, received }]);
    expect(client.getQueryData(terminalsKey("b"))).toEqual(["opened here"]);
    vi.advanceTimersByTime(5);
    applyLive(client, [{ ...old, received: performance.now() }]);
    expect(client.getQueryData(terminalsKey("b"))).toEqual([]);
  });

  it("is no change of the workspace itself", () => {
    expect(isLive({ type: "workspace.usage" })).toBe(true);
    expect(isLive({ type: "workspace.status" })).toBe(false);
  });
});
