import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../src/api/client";
import { isBusy } from "../src/api/terminals";
import type { Layout, LayoutNode, StoredLayout } from "../src/api/layouts";
import {
  allOf,
  type LayoutAction,
  layoutAfter,
  MOST_DEPTH,
  NO_LAYOUT,
  tabOf,
} from "../src/features/terminal/layout/layout";
import { LayoutKeeper } from "../src/features/terminal/layout/LayoutKeeper";
import { placesOf } from "../src/features/terminal/layout/places";

const pane = (terminal: string, share = 1): LayoutNode => ({ terminal, share });
const row = (...parts: LayoutNode[]): LayoutNode => ({ direction: "row", share: 1, parts });
const column = (...parts: LayoutNode[]): LayoutNode => ({ direction: "column", share: 1, parts });
const seen = (id: string, process = "bash") => ({ id, name: "", process, cwd: "/srv" });
const after = (layout: Layout, ...actions: LayoutAction[]): Layout => actions.reduce(layoutAfter, layout);
const opened = (id: string): LayoutAction => ({ type: "opened", id });
const of = (...tabs: LayoutNode[]): Layout => ({ ...NO_LAYOUT, tabs });

describe("the layout of terminals", () => {
  it("splits in both directions, and flattens what goes the same way", () => {
    let layout = after(NO_LAYOUT, { type: "opened", id: "a" }, { type: "opened", id: "b", beside: "a" });
    expect(layout.tabs).toEqual([row(pane("a"), pane("b"))]);
    layout = after(layout, { type: "opened", id: "c", beside: "b", direction: "column" });
    expect(layout.tabs).toEqual([row(pane("a"), column(pane("b"), pane("c")))]);
    layout = after(layout, { type: "opened", id: "d", beside: "a" });
    expect(layout.tabs).toEqual([row(pane("a", 0.5), pane("d", 0.5), column(pane("b"), pane("c")))]);
    expect(layout.front).toBe("d");
    expect(after(layout, { type: "opened", id: "x", beside: "gone" }).tabs.at(-1)).toEqual(pane("x"));
    expect(allOf(layout)).toEqual(["a", "d", "b", "c"]);
  });

  it("gives a terminal a tab of its own where splits are as deep as can be kept", () => {
    let layout = of(pane("t0"));
    for (let number = 1; number <= MOST_DEPTH + 1; number++) {
      const direction = number % 2 ? "row" : "column";
      layout = after(layout, { type: "opened", id: `t${number}`, beside: `t${number - 1}`, direction });
    }
    expect(layout.tabs).toHaveLength(2);
  });

  it("closes a terminal and gives its room to the others", () => {
    const layout = of(row(pane("a", 3), column(pane("b"), pane("c"))), pane("d"));
    expect(after(layout, { type: "closed", id: "b" }).tabs).toEqual([
      row(pane("a", 3), pane("c")),
      pane("d"),
    ]);
    expect(after(layout, { type: "closed", id: "d" }).tabs).toHaveLength(1);
  });

  it("remembers what a terminal itself says, though no list has said it yet", () => {
    const looked: LayoutAction = { type: "looked", terminals: [seen("a"), seen("b")], boot: "1" };
    const told: LayoutAction = { type: "told", terminal: { ...seen("b", "sleep"), name: "second" } };
    const layout = after(NO_LAYOUT, looked, told);
    expect(Object.keys(layout.terminals)).toEqual(["a", "b"]);
    expect(layout.terminals["b"]).toEqual({ name: "second", process: "sleep", cwd: "/srv", ended: false });
    expect(after(NO_LAYOUT, told)).toEqual(NO_LAYOUT);
    const stopped = after(layout, { type: "looked", terminals: [], boot: "2" });
    expect(stopped.terminals["b"]).toMatchObject({ process: "sleep", ended: true });
    expect(after(stopped, { type: "told", terminal: seen("b") })).toEqual(stopped);
  });

  it("moves a divider, but closes no pane by it", () => {
    const layout = of(row(pane("a"), column(pane("b"), pane("c"))));
    const moved = (first: string, second: string, by: number) =>
      after(layout, { type: "resized", first, second, by }).tabs[0];
    expect(moved("a", "b", 0.25)).toMatchObject({ parts: [{ share: 1.5 }, { share: 0.5 }] });
    expect(moved("b", "c", -9)).toMatchObject({
      parts: [{ share: 1 }, { parts: [{ share: 0.2 }, { share: 1.8 }] }],
    });
    expect(moved("a", "gone", 0.25)).toEqual(layout.tabs[0]);
  });

  it("keeps the places of what ended with its workspace, until it is opened again", () => {
    const look = (boot: string, ...terminals: ReturnType<typeof seen>[]): LayoutAction => ({
      type: "looked",
      terminals,
      boot,
    });
    let layout = after(
      of(row(pane("a", 1.5), pane("b", 0.5)), pane("c")),
      look("monday", seen("a"), seen("b", "vim"), seen("c")),
    );
    layout = after(layout, look("monday", seen("a"), seen("b", "vim")));
    expect(allOf(layout)).toEqual(["a", "b"]);
    layout = after(layout, look("tuesday"));
    expect(layout.terminals.b).toEqual({ name: "", process: "vim", cwd: "/srv", ended: true });
    layout = after(layout, { type: "reopened", before: "b", id: "x" }, look("tuesday", seen("x")));
    expect(layout.tabs).toEqual([row(pane("a", 1.5), pane("x", 0.5))]);
    expect(layout.terminals.a?.ended).toBe(true);
    expect(tabOf(layout.tabs, "x")).toBe(layout.tabs[0]);
  });

  it("puts tabs into another order", () => {
    const layout = of(pane("a"), pane("b"), pane("c"));
    expect(allOf(after(layout, { type: "moved", id: "b", to: 2 }))).toEqual(["a", "c", "b"]);
    expect(allOf(after(layout, { type: "moved", id: "a", to: -1 }))).toEqual(["a", "b", "c"]);
  });

  it("puts a terminal where it was wanted, also where a look was faster and gave it a tab", () => {
    const beside: LayoutAction = { type: "opened", id: "b", beside: "a" };
    expect(after(of(pane("a"), pane("c"), pane("b")), beside).tabs).toEqual([
      row(pane("a"), pane("b")),
      pane("c"),
    ]);
    const split = of(column(pane("a"), pane("b")));
    expect(after(split, beside).tabs).toEqual(split.tabs);
    expect(after(of(pane("b")), beside).tabs).toEqual([pane("b")]);
    expect(after(of(pane("a"), pane("b")), opened("b")).tabs).toEqual([pane("a"), pane("b")]);
  });

  it("says where each terminal lies", () => {
    const { panes, dividers } = placesOf(row(pane("a"), column(pane("b", 3), pane("c"))));
    expect(panes.get("a")).toEqual({ left: 0, top: 0, width: 0.5, height: 1 });
    expect(panes.get("c")).toEqual({ left: 0.5, top: 0.75, width: 0.5, height: 0.25 });
    expect(dividers.map(({ first, second, percent }) => [first, second, percent])).toEqual([
      ["a", "b", 50],
      ["b", "c", 75],
    ]);
    const narrow = placesOf(row(pane("a"), pane("b")), true);
    expect(narrow.panes.get("b")).toEqual({ left: 0, top: 0.5, width: 1, height: 0.5 });
  });
});

/** A service with one layout, as the real one refuses what is not made from its own version. */
function service(start: StoredLayout = { version: 0, layout: NO_LAYOUT }) {
  const held = { stored: start, puts: 0, isAway: false };
  return {
    held,
    read: async () => held.stored,
    replace: async (_: string, version: number, layout: Layout) => {
      held.puts += 1;
      if (held.isAway) throw new ApiError(0, "offline", "away");
      if (version !== held.stored.version) throw new ApiError(409, "layout_changed", "changed");
      held.stored = { version: version + 1, layout };
      return held.stored;
    },
  };
}

describe("keeping the layout", () => {
  beforeEach(() => {
    localStorage.clear();
    vi.useFakeTimers();
  });

  it("stores what was done, in one piece", async () => {
    const one = service();
    const keeper = new LayoutKeeper("w", one);
    keeper.dispatch(opened("a"));
    keeper.dispatch(opened("b"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect([one.held.puts, one.held.stored.version]).toEqual([1, 1]);
    expect(allOf(one.held.stored.layout)).toEqual(["a", "b"]);
    keeper.dispatch({ type: "fronted", id: "b" });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(one.held.puts).toBe(1);
  });

  it("makes its changes to what another window has stored", async () => {
    const one = service();
    const keeper = new LayoutKeeper("w", one);
    keeper.dispatch(opened("a"));
    one.held.stored = { version: 7, layout: of(pane("z")) };
    await vi.advanceTimersByTimeAsync(2_000);
    expect(one.held.stored.version).toBe(8);
    expect(allOf(one.held.stored.layout)).toEqual(["z", "a"]);
    expect(allOf(keeper.layout.get())).toEqual(["z", "a"]);
  });

  it("goes on with this browser's copy while the service is away, and after a reload", async () => {
    const one = service();
    one.held.isAway = true;
    const keeper = new LayoutKeeper("w", one);
    keeper.dispatch(opened("a"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(allOf(keeper.layout.get())).toEqual(["a"]);
    one.held.isAway = false;
    const reloaded = new LayoutKeeper("w", one);
    expect(allOf(reloaded.layout.get())).toEqual(["a"]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(allOf(one.held.stored.layout)).toEqual(["a"]);
  });

  it("makes no change twice whose answer was lost on its way", async () => {
    const one = service({ version: 1, layout: of(row(pane("a"), pane("b"))) });
    const keeper = new LayoutKeeper("w", one);
    keeper.take(one.held.stored);
    const { replace } = one;
    one.replace = async (...given) => {
      await replace(...given);
      one.replace = replace;
      throw new ApiError(0, "offline", "away");
    };
    keeper.dispatch({ type: "resized", first: "a", second: "b", by: 0.1 });
    await vi.advanceTimersByTimeAsync(1_000);
    keeper.dispatch({ type: "resized", first: "a", second: "b", by: 0.1 });
    const wanted = keeper.layout.get();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(keeper.layout.get()).toEqual(wanted);
    expect(one.held.stored).toEqual({ version: 3, layout: wanted });
  });

  it("puts a terminal into its split, also where another window has stored it as a tab first", async () => {
    const one = service({ version: 1, layout: of(pane("a")) });
    const keeper = new LayoutKeeper("w", one);
    keeper.take(one.held.stored);
    keeper.dispatch({ type: "opened", id: "b", beside: "a" });
    one.held.stored = { version: 2, layout: of(pane("a"), pane("b")) };
    await vi.advanceTimersByTimeAsync(2_000);
    expect(one.held.stored.layout.tabs).toEqual([row(pane("a"), pane("b"))]);
    expect(keeper.layout.get().tabs).toEqual([row(pane("a"), pane("b"))]);
  });

  it("loses no change made or told while another one is being stored", async () => {
    const one = service({ version: 1, layout: of(pane("a")) });
    const keeper = new LayoutKeeper("w", one);
    keeper.take(one.held.stored);
    const { replace } = one;
    const gate = new EventTarget();
    one.replace = async (...given) => {
      const stored = await replace(...given);
      await new Promise((resolve) => {
        gate.addEventListener("open", resolve);
      });
      return stored;
    };
    keeper.dispatch(opened("b"));
    await vi.advanceTimersByTimeAsync(500);
    // Told of the very version whose answer is under way, then of the one before it.
    keeper.take(one.held.stored);
    keeper.dispatch(opened("c"));
    one.replace = replace;
    gate.dispatchEvent(new Event("open"));
    await vi.advanceTimersByTimeAsync(2_000);
    keeper.take({ version: 2, layout: of(pane("a"), pane("b")) });
    expect(allOf(keeper.layout.get())).toEqual(["a", "b", "c"]);
    expect(allOf(one.held.stored.layout)).toEqual(["a", "b", "c"]);
  });

  it("takes what the service has, and nothing older than its own", () => {
    const keeper = new LayoutKeeper("w", service());
    keeper.take({ version: 3, layout: of(pane("c")) });
    keeper.take({ version: 2, layout: of(pane("b")) });
    expect(allOf(keeper.layout.get())).toEqual(["c"]);
  });
});

describe("what runs", () => {
  it.each(["bash", "-zsh", "sh", "fish", "nu"])("%s alone is nothing that runs", (process) => {
    expect(isBusy({ process, exit_status: null })).toBe(false);
  });

  it.each(["vim", "sleep", "ssh", "bashtop", "python3"])("%s is something that runs", (process) => {
    expect(isBusy({ process, exit_status: null })).toBe(true);
    expect(isBusy({ process, exit_status: 1 })).toBe(false);
  });
});
