import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { createRef } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { LayoutNode } from "../src/api/layouts";
import { TerminalTabs } from "../src/features/terminal/layout/TerminalTabs";

const TABS: readonly LayoutNode[] = [
  { terminal: "a", share: 1 },
  {
    direction: "row",
    share: 1,
    parts: [
      { terminal: "b", share: 1 },
      { terminal: "c", share: 1 },
    ],
  },
];
const NAMES: Record<string, string> = { a: "bash", b: "vim", c: "make" };

function tabs(change: { front?: string; renaming?: string | null; isAlive?: boolean } = {}) {
  const called = {
    onChoose: vi.fn<(id: string) => void>(),
    onClose: vi.fn<(id: string) => void>(),
    onMove: vi.fn<(id: string, to: number) => void>(),
    onRenaming: vi.fn<(id: string | null) => void>(),
    onRename: vi.fn<(id: string, name: string) => void>(),
    onNew: vi.fn<() => void>(),
    onSplit: vi.fn<(direction: "row" | "column") => void>(),
    onFind: vi.fn<() => void>(),
    onCopyOutput: vi.fn<() => void>(),
    onSettings: vi.fn<() => void>(),
  };
  render(
    <TerminalTabs
      tabs={TABS}
      current={TABS[0]}
      front={"front" in change ? change.front : "a"}
      nameOf={(id) => NAMES[id] ?? ""}
      noteOf={() => "/home/nixos"}
      isOpening={false}
      isAlive={change.isAlive ?? true}
      renaming={change.renaming ?? null}
      newButton={createRef()}
      {...called}
    />,
  );
  return called;
}

const pointer = (clientX: number, pointerType = "mouse") => ({ clientX, button: 0, pointerType });

afterEach(cleanup);

describe("TerminalTabs", () => {
  it("names a split by all that is in it and presses the tab in front", () => {
    tabs();
    expect(screen.getByRole("button", { name: "bash" }).getAttribute("aria-pressed")).toBe("true");
    expect(screen.getByRole("button", { name: "vim | make" }).getAttribute("aria-pressed")).toBe("false");
  });

  it("chooses by a click and moves by Alt and an arrow", async () => {
    const { onChoose, onMove } = tabs();
    await userEvent.click(screen.getByRole("button", { name: "vim | make" }));
    expect(onChoose).toHaveBeenCalledWith("b");
    screen.getByRole("button", { name: "bash" }).focus();
    await userEvent.keyboard("{Alt>}{ArrowRight}{/Alt}{ArrowRight}");
    expect(onMove.mock.calls).toEqual([["a", 1]]);
  });

  it("moves a tab behind those whose middle the pointer has passed", () => {
    const { onMove, onChoose } = tabs();
    HTMLElement.prototype.setPointerCapture = () => undefined;
    const row = screen.getByRole("list");
    for (const [at, tab] of [...row.children].entries()) {
      tab.getBoundingClientRect = () => new DOMRect(at * 100, 0, 100, 30);
    }
    const name = screen.getByRole("button", { name: "bash" });
    fireEvent.pointerDown(name, pointer(20));
    fireEvent.pointerMove(row, pointer(23));
    expect(onMove).not.toHaveBeenCalled();
    fireEvent.pointerMove(row, pointer(140));
    fireEvent.pointerMove(row, pointer(160));
    fireEvent.pointerUp(row, pointer(160));
    fireEvent.pointerMove(row, pointer(20));
    expect(onMove.mock.calls).toEqual([
      ["a", 0],
      ["a", 1],
    ]);
    expect(onChoose.mock.calls).toEqual([["a"]]);
    fireEvent.pointerDown(name, pointer(20, "touch"));
    fireEvent.pointerMove(row, pointer(160, "touch"));
    expect(onMove).toHaveBeenCalledTimes(2);
  });

  it("puts what is typed in the place of the name", async () => {
    const { onRename, onRenaming } = tabs({ renaming: "a" });
    await userEvent.type(screen.getByRole("textbox"), "server{Enter}", { skipClick: true });
    expect(onRename).toHaveBeenCalledWith("a", "server");
    expect(onRenaming).toHaveBeenCalledWith(null);
  });

  it("keeps the name where nothing or Escape is typed", async () => {
    const { onRename, onRenaming } = tabs({ renaming: "a" });
    await userEvent.type(screen.getByRole("textbox"), "other{Escape}", { skipClick: true });
    expect(onRename).not.toHaveBeenCalled();
    expect(onRenaming).toHaveBeenCalledWith(null);
  });

  it("splits both ways, and offers no more of a terminal that has ended", async () => {
    const { onSplit } = tabs();
    const tools = within(screen.getByRole("toolbar"));
    await userEvent.click(tools.getByRole("button", { name: "Split" }));
    await userEvent.click(tools.getByRole("button", { name: "Split downwards" }));
    expect(onSplit.mock.calls).toEqual([["row"], ["column"]]);
    cleanup();
    tabs({ isAlive: false });
    expect(
      within(screen.getByRole("toolbar")).getByRole("button", { name: "Search the output" }),
    ).toHaveProperty("disabled", true);
  });
});
