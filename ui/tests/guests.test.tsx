import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AppShell } from "../src/app/AppShell";
import { commandsOf } from "../src/app/commands";
import KeysSheet from "../src/app/KeysSheet";
import UserMenu from "../src/app/UserMenu";
import { TemplatesView } from "../src/features/templates/TemplatesView";
import { WorkspacesView } from "../src/features/workspaces/WorkspacesView";
import { translator } from "../src/shared/i18n/messages";
import { en } from "./english";
import { page } from "./page";
import { TestSocket } from "./sockets";
import { workspace } from "./workspaces";

const TEMPLATE = { name: "minimal", title: "Minimal", description: "A shell.", icon: "", packages: [] };
const SHARED = workspace({ id: "ws-1", name: "alpha", relation: "viewer" });
const nothing = () => undefined;

beforeEach(() => vi.stubGlobal("WebSocket", TestSocket));
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const shownTo = (
  role: string,
  shown: Parameters<typeof page>[0],
  workspaces: unknown[] = [],
  address = "/workspaces",
) =>
  page(
    shown,
    address,
    {
      "/api/nixos/workspaces": { workspaces, next_cursor: null },
      "/api/nixos/templates": { templates: [TEMPLATE] },
    },
    { name: "Gwen", role },
  );

const commands = (role: string) =>
  commandsOf({
    t: translator("en", en),
    workspaces: [SHARED],
    here: SHARED,
    session: { name: "Gwen", role },
    go: nothing,
    perform: nothing,
    create: nothing,
  }).map((one) => one.id);

describe("a guest", () => {
  it("is told of an empty list that what is shared appears there, and offered no template", async () => {
    const { asked } = await shownTo("guest", () => <WorkspacesView />);
    expect(await screen.findByRole("heading", { name: "Nothing is shared with you now" })).toBeTruthy();
    expect(screen.getByText(/^You are a guest, and see here what is shared with you/)).toBeTruthy();
    expect(screen.queryAllByRole("button")).toEqual([]);
    expect(screen.queryAllByRole("link")).toEqual([]);
    expect(asked.filter(({ path }) => /templates|capacity/.test(path))).toEqual([]);
  });

  it("sees what is shared without a way to a new one, nor asks what the machine has", async () => {
    const { asked } = await shownTo("guest", () => <WorkspacesView />, [SHARED], "/workspaces?new=true");
    expect(await screen.findByText("alpha")).toBeTruthy();
    expect(screen.queryByRole("link", { name: "New workspace" })).toBeNull();
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(screen.queryByRole("group", { name: "The machine" })).toBeNull();
    expect(asked.filter(({ path }) => path.includes("capacity"))).toEqual([]);
  });

  it("has no key and no area of those who have an account", async () => {
    const person = userEvent.setup();
    const { router } = await shownTo("guest", () => <AppShell />);
    expect(await screen.findByRole("link", { name: "Workspaces" })).toBeTruthy();
    expect(screen.queryByRole("link", { name: "Templates" })).toBeNull();
    await person.keyboard("c");
    expect(router.state.location.search).toEqual({});
    cleanup();
    const members = await shownTo("member", () => <AppShell />);
    expect(await screen.findByRole("link", { name: "Templates" })).toBeTruthy();
    await person.keyboard("c");
    await waitFor(() => expect(members.router.state.location.search).toEqual({ new: true }));
  });

  it.each([
    ["guest", false],
    ["member", true],
  ])("finds nothing of an account in the menu: %s", async (role, isThere) => {
    const person = userEvent.setup();
    await shownTo(role, () => <UserMenu name="Gwen" role={role} onKeys={nothing} />);
    await person.click(await screen.findByRole("button", { name: "Menu" }));
    expect(await screen.findByRole("menuitem", { name: "Sign out" })).toBeTruthy();
    for (const name of ["Account", "Secrets and dotfiles", "SSH keys"])
      expect(screen.queryByRole("menuitem", { name }) !== null, name).toBe(isThere);
  });

  it.each([
    ["guest", false],
    ["auditor", false],
    ["member", true],
  ])("is not told the key for a new workspace: %s", async (role, isThere) => {
    await shownTo(role, () => <KeysSheet onClose={nothing} />);
    await screen.findByRole("dialog");
    expect(screen.queryByText(en["help.create"]) !== null).toBe(isThere);
  });

  it("has no command that is refused", () => {
    const missing = commands("member").filter((id) => !commands("guest").includes(id));
    expect(missing.toSorted()).toEqual(["admin", "create", "templates"]);
    expect(commands("guest")).not.toContain("delete-ws-1");
    expect(commands("guest")).toContain("go-ws-1");
  });
});

describe("an auditor, who makes no workspace", () => {
  it("is told so of an empty list", async () => {
    await shownTo("auditor", () => <WorkspacesView />);
    expect(await screen.findByRole("heading", { name: "There is no workspace yet" })).toBeTruthy();
  });

  it.each([
    ["auditor", false],
    ["member", true],
  ])("sees templates without the way to a new workspace: %s", async (role, isThere) => {
    await shownTo(role, () => <TemplatesView />);
    expect(await screen.findByRole("heading", { name: "Minimal" })).toBeTruthy();
    expect(screen.queryByRole("link", { name: /new|create/i }) !== null).toBe(isThere);
  });
});
