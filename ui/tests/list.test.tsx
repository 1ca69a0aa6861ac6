import { QueryClient } from "@tanstack/react-query";
import { act, cleanup, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { applyLive } from "../src/api/live";
import type { Workspace, WorkspaceAction } from "../src/api/types";
import { WorkspaceItem } from "../src/features/workspaces/list/cards/WorkspaceItem";
import { WorkspaceListComponent } from "../src/features/workspaces/list/WorkspaceListComponent";
import { page } from "./page";
import { openEvent, workspace } from "./workspaces";

const usage = { cpu_usage: 34, memory_usage: 50, storage_usage: 10 };
const ALL = [
  workspace({ id: "ws-a", name: "api-server", usage }),
  workspace({ id: "ws-b", name: "docs", status: "stopped", template: "python" }),
  workspace({
    id: "ws-c",
    name: "payments",
    status: "error",
    fault: { code: "build_failed", message: "It does not build.", at: "2026-01-01T00:00:00.000Z" },
  }),
  workspace({
    id: "ws-d",
    name: "growing",
    status: "creating",
    progress: { phase: "build", fraction: 0.64, message: "git", said: null },
  }),
];

beforeEach(() => localStorage.clear());
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function list(address?: string, workspaces: Workspace[] = ALL) {
  const chosen: string[] = [];
  const done: [WorkspaceAction, string][] = [];
  const shown = await page(
    () => (
      <WorkspaceListComponent
        workspaces={workspaces}
        onWorkspaceSelect={(one) => chosen.push(one.name)}
        onWorkspaceAction={(action, one) => done.push([action, one.name])}
      />
    ),
    address,
  );
  return { ...shown, chosen, done, person: userEvent.setup() };
}

describe("what is open in a workspace", () => {
  it("stands in its row: terminals, and the first port on which a page may answer", async () => {
    await list();
    act(() => applyLive(new QueryClient(), [openEvent("ws-a", 2, [3000]), openEvent("ws-b", 1, [8000])]));
    expect(await screen.findByText("terminal ×2")).toBeTruthy();
    expect(screen.getByText("port 3000")).toBeTruthy();
    expect(screen.queryByText("port 8000"), "a workspace that does not run").toBeNull();
    act(() => applyLive(new QueryClient(), [openEvent("ws-a", 0, [3000, 5173])]));
    expect(screen.getByText("port 3000 …")).toBeTruthy();
    expect(screen.queryByText(/^terminal/)).toBeNull();
  });
});

const rows = () => screen.getAllByRole("row").slice(1);
const namesShown = () => rows().map((row) => row.getAttribute("aria-label"));

describe("the list", () => {
  it("tells of each workspace its template, owner, state and use, and what is done next", async () => {
    const { chosen, done, person } = await list("/workspaces?sort=name");
    expect(namesShown()).toEqual(["api-server", "docs", "growing", "payments"]);
    const [api, docs, growing, payments] = rows() as [HTMLElement, HTMLElement, HTMLElement, HTMLElement];
    expect(api.textContent).toContain("development · admin");
    expect(within(api).getByRole("meter", { name: "CPU" }).getAttribute("aria-valuenow")).toBe("34");
    expect(within(api).getByRole("meter", { name: "Memory" }).getAttribute("aria-valuetext")).toBe(
      "1 / 2 GB",
    );
    expect(growing.textContent).toContain("Build · 64%");
    expect(payments.textContent).toContain("It does not build.");
    expect(within(docs).queryByRole("meter", { name: "CPU" })).toBeNull();
    await person.click(within(api).getByRole("button", { name: "Open api-server" }));
    await person.click(within(docs).getByRole("button", { name: "Start docs" }));
    await person.click(within(payments).getByRole("button", { name: "See why payments" }));
    await person.click(within(growing).getByRole("button", { name: "Watch growing" }));
    expect(done).toEqual([
      ["terminal", "api-server"],
      ["start", "docs"],
    ]);
    expect(chosen).toEqual(["payments", "growing"]);
  });

  it("is one stop of the Tab key, and goes on by keys from there", async () => {
    const { chosen, person } = await list("/workspaces?sort=name");
    expect(rows().map((row) => row.tabIndex)).toEqual([0, -1, -1, -1]);
    await person.keyboard("j");
    expect(document.activeElement?.getAttribute("aria-label")).toBe("api-server");
    await person.keyboard("{ArrowDown}j");
    expect(document.activeElement?.getAttribute("aria-label")).toBe("growing");
    expect(rows().map((row) => row.tabIndex)).toEqual([-1, -1, 0, -1]);
    await person.keyboard("x");
    expect(rows()[2]?.getAttribute("aria-selected")).toBe("true");
    await person.keyboard("{Enter}");
    expect(chosen).toEqual(["growing"]);
  });

  it("has one filter, whether it is typed, chosen or in the address", async () => {
    const { person, router } = await list("/workspaces?q=status:stopped");
    expect(namesShown()).toEqual(["docs"]);
    const box = screen.getByRole("searchbox");
    await person.click(screen.getByRole("button", { name: /^Failing/ }));
    expect(box).toHaveProperty("value", "status:error");
    await waitFor(() => expect(namesShown()).toEqual(["payments"]));
    await waitFor(() => expect(router.state.location.search).toEqual({ q: "status:error" }));
    await person.clear(box);
    await person.type(box, "template:pyt");
    await waitFor(() => expect(namesShown()).toEqual(["docs"]));
    await person.selectOptions(screen.getByRole("combobox", { name: "Template" }), "development");
    expect(box).toHaveProperty("value", "template:development");
  });

  it("offers for the selected ones what can be done with all of them, and says why not the rest", async () => {
    const { person } = await list("/workspaces?sort=name");
    await person.click(screen.getByRole("checkbox", { name: "Select docs" }));
    await person.click(screen.getByRole("checkbox", { name: "Select payments" }));
    const bar = await screen.findByRole("toolbar");
    expect(bar.textContent).toContain("2 selected");
    expect(within(bar).getByRole("button", { name: "Start" }).getAttribute("aria-disabled")).toBeNull();
    const stop = within(bar).getByRole("button", { name: /^Stop/ });
    expect(stop.getAttribute("aria-disabled")).toBe("true");
    await person.click(within(bar).getByRole("button", { name: "Clear selection" }));
    expect(screen.queryByRole("toolbar")).toBeNull();
  });

  it("makes only the rows that are in sight", async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => workspace({ id: `ws-${i}`, name: `one-${i}` }));
    await list("/workspaces", many);
    const inSight = rows().length;
    expect(inSight).toBeLessThan(20);
    // At rest more of them are made, ahead of the wheel; a filter begins with those in sight again.
    await waitFor(() => expect(rows().length).toBeGreaterThan(inSight));
    expect(rows().length).toBeLessThan(40);
    await userEvent.type(screen.getByRole("searchbox"), "one");
    await waitFor(() => expect(rows()).toHaveLength(inSight));
    expect(screen.getByRole("grid").getAttribute("aria-rowcount")).toBe("5001");
  });
});

describe("an item", () => {
  it("is the specification's: it tells its state and use, opens, and acts", async () => {
    const [api] = ALL as [Workspace];
    const chosen = vi.fn<(one: Workspace) => void>();
    const done = vi.fn<(action: WorkspaceAction) => void>();
    await page(() => <WorkspaceItem workspace={api} onSelect={chosen} onAction={done} />);
    const person = userEvent.setup();
    const card = screen.getByRole("article", { name: "api-server" });
    expect(card.className).toBe("workspace-item");
    expect(within(card).getByText("running").className).toContain("status-running");
    expect(within(card).getByRole("meter", { name: "CPU" }).getAttribute("aria-valuetext")).toBe("34%");
    for (const action of ["Terminal", "Files", "Stop"]) {
      await person.click(within(card).getByRole("button", { name: `${action} api-server` }));
    }
    expect(done.mock.calls).toEqual([["terminal"], ["files"], ["stop"]]);
    await person.click(within(card).getByRole("link", { name: "api-server" }));
    expect(chosen).toHaveBeenCalledWith(api);
  });
});
