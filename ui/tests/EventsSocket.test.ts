import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EventsSocket, type WorkspaceEvent } from "../src/api/EventsSocket";
import type { ConnectionState } from "../src/shared/connection";
import { makeTestSocket, TestSocket } from "./sockets";

function connect() {
  const batches: WorkspaceEvent[][] = [];
  const states: ConnectionState[] = [];
  const onGap = vi.fn<() => void>();
  const onRefused = vi.fn<() => void>();
  const socket = new EventsSocket({
    url: "ws://test/events",
    onEvents: (events) => batches.push(events),
    onGap,
    onRefused,
    onState: (state) => states.push(state),
    makeSocket: makeTestSocket,
    random: () => 0,
  });
  socket.connect();
  return { socket, batches, states, onGap, onRefused };
}

describe("EventsSocket", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
    TestSocket.made.length = 0;
  });
  afterEach(() => vi.useRealTimers());

  it("hands a burst of events over together and leaves out what is none", () => {
    const { batches } = connect();
    TestSocket.latest.open();
    TestSocket.latest.text({ type: "hello" });
    for (const id of ["a", "b"]) TestSocket.latest.text({ type: "workspace.status", workspace_id: id });
    expect(batches).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(batches.map((batch) => batch.map((event) => event.workspace_id))).toEqual([["a", "b"]]);
  });

  it("has everything read again after a break and after falling behind, not at first", () => {
    const { onGap } = connect();
    TestSocket.latest.open();
    expect(onGap).not.toHaveBeenCalled();
    TestSocket.latest.text({ type: "lagged" });
    expect(onGap).toHaveBeenCalledTimes(1);
    TestSocket.latest.break();
    vi.advanceTimersByTime(1_000);
    TestSocket.latest.open();
    expect(onGap).toHaveBeenCalledTimes(2);
  });

  it("says when the session is refused, and keeps trying", () => {
    const { onRefused, states } = connect();
    TestSocket.latest.open();
    TestSocket.latest.break(4401);
    expect(onRefused).toHaveBeenCalledTimes(1);
    expect(states.at(-1)).toBe("waiting");
    vi.advanceTimersByTime(1_000);
    expect(TestSocket.made).toHaveLength(2);
  });

  it("notices a silent connection and makes no second one while one is open", () => {
    const { socket, states } = connect();
    TestSocket.latest.open();
    socket.connect();
    expect(TestSocket.made).toHaveLength(1);
    vi.advanceTimersByTime(46_000);
    expect(TestSocket.made).toHaveLength(2);
    socket.close();
    expect(states.at(-1)).toBe("closed");
    vi.advanceTimersByTime(60_000);
    expect(TestSocket.made).toHaveLength(2);
  });

  it("asks again at once when the service has answered something else, unless it was refused", () => {
    const { socket, states } = connect();
    TestSocket.latest.break(1006);
    socket.hasten();
    expect(TestSocket.made).toHaveLength(2);
    socket.hasten();
    expect(TestSocket.made).toHaveLength(2);
    TestSocket.latest.open();
    expect(states.at(-1)).toBe("open");
    TestSocket.latest.break(4429);
    socket.hasten();
    expect(TestSocket.made).toHaveLength(2);
    vi.advanceTimersByTime(1_000);
    expect(TestSocket.made).toHaveLength(3);
  });
});
