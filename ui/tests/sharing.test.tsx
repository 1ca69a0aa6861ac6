import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import ShareDialog from "../src/features/workspaces/detail/sharing/ShareDialog";
import { callTerminals, isPort } from "../src/features/workspaces/detail/sharing/part";
import { page } from "./page";

const PATH = "/api/nixos/workspaces/ws-1/shares";
const WAITING = {
  id: "shr-1",
  kind: "guest",
  name: "Bea (guest)",
  access: "viewer",
  part: "",
  files: false,
  state: "waiting",
  knock: false,
  via: "shr-0",
  created_at: "2026-01-01T00:00:00.000Z",
  expires_at: null,
};

const terminal = (id: string, name: string, cwd = "/home/dev") => ({
  id,
  name,
  title: "",
  process: "bash",
  cwd,
  exit_status: null,
});
const TERMINALS = [
  terminal("t-1", "build"),
  { ...terminal("t-2", "gone"), exit_status: 0 },
  terminal("t-3", ""),
];
const PORTS = [
  { port: 3000, program: "node", listening: true },
  { port: 4000, program: "", listening: false },
];

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

type Status = "running" | "stopped";

async function dialog(shares: readonly unknown[], status: Status = "running") {
  const shown = await page(
    () => <ShareDialog detail={{ id: "ws-1", name: "alpha", status }} onClose={() => undefined} />,
    "/workspaces",
    {
      "/api/nixos/workspaces/ws-1/terminals": { terminals: TERMINALS },
      "/api/nixos/workspaces/ws-1/ports": { ports: PORTS },
      "/api/nixos/workspaces/ws-1/transfer": { state: "given", to: "ann", expires_at: null },
      "/api/nixos/transfers": { received: [], made: [] },
      [`${PATH}/shr-1/admit`]: { share: { ...WAITING, state: "active" }, link: null },
      [PATH]: { shares, share: { ...WAITING, kind: "user", name: "ann" }, link: null },
    },
  );
  return { ...shown, person: userEvent.setup() };
}

const optionsOf = (name: string) => [...screen.getByRole<HTMLSelectElement>("combobox", { name }).options];
const field = (name: string) => screen.queryByRole("combobox", { name });
const choose = (person: ReturnType<typeof userEvent.setup>, name: string, option: string) =>
  person.selectOptions(screen.getByRole("combobox", { name }), option);

describe("the dialog of shares", () => {
  it("shares with a user, as what is chosen", async () => {
    const { asked, person } = await dialog([]);
    expect(await screen.findByText("Nobody but you has it.")).toBeTruthy();
    await person.type(screen.getByRole("textbox", { name: "Name" }), "ann");
    await person.selectOptions(screen.getByRole("combobox", { name: "As" }), "editor");
    await person.click(screen.getByRole("button", { name: "Share" }));
    await waitFor(() => expect(asked.some((one) => one.method === "POST")).toBe(true));
    expect(asked.find((one) => one.method === "POST")).toEqual({
      method: "POST",
      path: PATH,
      body: { with: "user:ann", access: "editor", part: "", files: true, knock: false, expires_in: 0 },
    });
  });

  it("offers the workspace to another owner", async () => {
    const { asked, person } = await dialog([]);
    expect(screen.getByText(/it is theirs at once/)).toBeTruthy(); // of an administrator
    await person.type(screen.getByRole("textbox", { name: "New owner" }), "ann{Enter}");
    await waitFor(() =>
      expect(asked.find((one) => one.method === "POST")).toEqual({
        method: "POST",
        path: "/api/nixos/workspaces/ws-1/transfer",
        body: { to: "ann" },
      }),
    );
  });

  it("admits who waits", async () => {
    const { asked, person } = await dialog([WAITING]);
    expect(await screen.findByText("waits for you")).toBeTruthy();
    await person.click(screen.getByRole("button", { name: "Admit Bea (guest)" }));
    await waitFor(() => expect(asked.some(({ path }) => path === `${PATH}/shr-1/admit`)).toBe(true));
  });

  it("shares one terminal, by the name of its tab, without what is of the whole workspace only", async () => {
    const { asked, person } = await dialog([]);
    await choose(person, "As", "reader");
    await choose(person, "What", "terminal");
    await waitFor(() => expect(optionsOf("Terminal").map((one) => one.text)).toEqual(["build", "bash"]));
    const roles = screen.getByRole<HTMLSelectElement>("combobox", { name: "As" });
    expect(optionsOf("As").map((one) => one.value)).toEqual(["viewer", "editor"]);
    expect(roles.value).toBe("viewer");
    expect(screen.getByText(/^Editors type in the terminal as you/)).toBeTruthy();
    await choose(person, "Terminal", "bash");
    await choose(person, "As", "editor");
    await person.type(screen.getByRole("textbox", { name: "Name" }), "ann{Enter}");
    await waitFor(() => expect(asked.some((one) => one.method === "POST")).toBe(true));
    expect(asked.find((one) => one.method === "POST")?.body).toEqual({
      with: "user:ann",
      access: "editor",
      part: "terminal:t-3",
      files: false,
      knock: false,
      expires_in: 0,
    });
  });

  it("says that no terminal is open, and shares none", async () => {
    const { asked, person } = await dialog([], "stopped");
    await choose(person, "What", "terminal");
    expect(screen.getByText("No terminal is open in it.")).toBeTruthy();
    await person.type(screen.getByRole("textbox", { name: "Name" }), "ann{Enter}");
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Share" }).disabled).toBe(true);
    expect(asked.filter(({ method, path }) => method === "POST" || path.includes("terminals"))).toEqual([]);
  });

  it("shares one port, as nothing but that", async () => {
    const { asked, person } = await dialog([]);
    await choose(person, "As", "editor");
    await choose(person, "What", "port");
    expect(field("As")).toBeNull();
    expect(await screen.findByText("Listening now: 3000")).toBeTruthy();
    expect([...document.querySelectorAll("datalist option")].map((one) => one.getAttribute("value"))).toEqual(
      ["3000"],
    );
    await choose(person, "With", "link");
    await person.click(screen.getByRole("checkbox"));
    await person.type(screen.getByLabelText("Port"), "8080{Enter}");
    await waitFor(() => expect(asked.some((one) => one.method === "POST")).toBe(true));
    expect(asked.find((one) => one.method === "POST")?.body).toEqual({
      with: "link",
      access: "viewer",
      part: "port:8080",
      files: false,
      knock: true,
      expires_in: 604_800,
    });
  });

  it.each(["", "0", "65536", "-1", "80.5", "1e3"])(
    "says what a port is, and shares none: %j",
    async (text) => {
      const { asked, person } = await dialog([]);
      await choose(person, "What", "port");
      await choose(person, "With", "link");
      const input = screen.getByLabelText<HTMLInputElement>("Port");
      if (text) await person.type(input, text);
      await person.click(screen.getByRole("button", { name: "Share" }));
      expect(screen.getByText("A port is a whole number from 1 to 65535.")).toBeTruthy();
      expect(input.getAttribute("aria-invalid")).toBe("true");
      expect(document.activeElement).toBe(input);
      expect(asked.filter((one) => one.method === "POST")).toEqual([]);
    },
  );

  it("says of each share what it is of", async () => {
    const active = { ...WAITING, state: "active", kind: "user", name: "ann" };
    const { asked } = await dialog([
      { ...active, id: "shr-1", files: true },
      { ...active, id: "shr-2", part: "terminal:t-1", access: "editor" },
      { ...active, id: "shr-3", part: "terminal:t-9" },
      { ...active, id: "shr-4", part: "port:3000", access: "editor" },
    ]);
    await waitFor(() => expect(asked.some(({ path }) => path.includes("terminals"))).toBe(true));
    expect(await screen.findByText("terminal build · editor: types in it · until you end it")).toBeTruthy();
    expect(screen.getAllByRole("listitem").map((one) => one.querySelector("p")?.textContent)).toEqual([
      "the whole workspace · viewer, with its files · until you end it",
      "terminal build · editor: types in it · until you end it",
      "terminal t-9 · viewer: watches it · until you end it",
      "port 3000 · until you end it",
    ]);
    expect(screen.getAllByRole("button", { name: /^End it/ }).map((one) => one.ariaLabel)).toEqual([
      "End it for ann",
      "End it for ann: terminal build",
      "End it for ann: terminal t-9",
      "End it for ann: port 3000",
    ]);
  });
});

describe("the parts of a workspace", () => {
  it("know a port's number", () => {
    expect(["1", "80", "65535"].filter((one) => !isPort(one))).toEqual([]);
    expect(["", "0", "00", "65536", "100000", "+1", "1.0", " 1"].filter(isPort)).toEqual([]);
  });

  it("tell terminals apart that are called the same", () => {
    const names = (...all: ReturnType<typeof terminal>[]) => [...callTerminals(all).values()];
    expect(names(terminal("1", "a"), { ...terminal("2", ""), title: "vim" })).toEqual(["a", "vim"]);
    expect(names(terminal("1", "", "/a"), terminal("2", "", "/b"))).toEqual(["bash (/a)", "bash (/b)"]);
    expect(names(terminal("1", ""), terminal("2", ""))).toEqual(["bash (1)", "bash (2)"]);
    expect(names(terminal("1", "", "/a"), terminal("2", "", "/b"), terminal("3", "", "/b"))).toEqual([
      "bash (/a)",
      "bash (/b, 1)",
      "bash (/b, 2)",
    ]);
  });
});
