import { cleanup, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../src/api/client";
import type { WorkspaceConfig } from "../src/api/types";
import { PackagePicker } from "../src/features/workspaces/creation/PackagePicker";
import WorkspaceCreationModal from "../src/features/workspaces/creation/WorkspaceCreationModal";
import { FirstRun } from "../src/features/workspaces/home/FirstRun";
import { clearForms } from "../src/shared/formDraft";
import { page } from "./page";
import { workspace } from "./workspaces";

const capacity = {
  cpu_total: 2,
  cpu_free: 1,
  cpu_committed: 0,
  memory_committed: 0,
  memory_total: 3,
  memory_free: 2,
  storage_total: 50,
  storage_free: 12,
};
const found = [
  { name: "tree", version: "2.1", description: "Lists directories", size: 1_000_000 },
  { name: "treefmt", version: "1.0", description: "Formats", size: null },
];
const ANSWERS = {
  "/api/nixos/templates": {
    templates: [
      { name: "minimal", title: "Minimal", description: "Nothing more.", icon: "", packages: [] },
      { name: "development", title: "Development", description: "Tools.", icon: "", packages: ["git"] },
    ],
  },
  "/api/nixos/health": { status: "ok", package_set: "a set", capacity, checks: [] },
  "/api/nixos/workspaces?": { workspaces: [workspace({ name: "taken" })], next_cursor: null },
  "/api/nixos/network": {
    default: "locked",
    floor: { mode: "balanced", allow: [], deny: [], reason: "Rule 7." },
    balanced: [],
  },
  "/api/nixos/packages?query=nosuch": { packages: [], package_set: "a set" },
  "/api/nixos/packages": { packages: found, package_set: "a set" },
};

beforeEach(() => clearForms());
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function form(failure: Error | null = null) {
  const create = vi.fn<(config: WorkspaceConfig) => void>();
  const close = vi.fn<() => void>();
  const shown = await page(
    () => <WorkspaceCreationModal isOpen onClose={close} onCreateWorkspace={create} failure={failure} />,
    "/workspaces",
    ANSWERS,
  );
  await screen.findByRole("radio", { name: /Minimal/ });
  return { ...shown, create, close, person: userEvent.setup() };
}

describe("the form for a new workspace", () => {
  it("asks for what is filled in, in the specification's shape", async () => {
    const { create, person } = await form();
    await person.type(screen.getByRole("textbox", { name: "Name" }), "my-own");
    await person.click(screen.getByRole("radio", { name: /Minimal/ }));
    const memory = screen.getByRole("textbox", { name: "Memory (GB)" });
    await person.clear(memory);
    await person.type(memory, "1.5");
    const storage = screen.getByRole("textbox", { name: "Storage (GB)" });
    await person.clear(storage);
    await person.type(storage, "5");
    await person.click(screen.getByRole("button", { name: "Create workspace" }));
    expect(create).toHaveBeenCalledWith({
      name: "my-own",
      template: "minimal",
      cpu: 2,
      memory: 1.5,
      storage: 5,
      packages: [],
    });
  });

  it("says what it may reach: the service's default, what its floor leaves, and a list where one counts", async () => {
    const { create, person } = await form();
    await person.type(screen.getByRole("textbox", { name: "Name" }), "guarded");
    for (const size of ["Memory (GB)", "Storage (GB)"]) {
      await person.clear(screen.getByRole("textbox", { name: size }));
      await person.type(screen.getByRole("textbox", { name: size }), "1");
    }
    const choice = await screen.findByRole("combobox", { name: "What it may reach" });
    await within(choice).findByRole("option", { name: "As usual: Locked" });
    expect(within(choice).getByRole("option", { name: "Open" })).toHaveProperty("disabled", true);
    expect(screen.getByText(/Only what is allowed below\..*at most: Balanced\. Rule 7\./)).toBeTruthy();
    await person.type(screen.getByRole("textbox", { name: "Allowed" }), " git.example:22,443  192.0.2.0/24 ");
    await person.selectOptions(choice, "Balanced");
    await person.click(screen.getByRole("button", { name: "Create workspace" }));
    const allow = [
      { name: "git.example", ports: [22, 443] },
      { cidr: "192.0.2.0/24", ports: [] },
    ];
    expect(create.mock.lastCall?.[0]).toMatchObject({ network: "balanced", allow });
    await person.selectOptions(choice, "None");
    expect(screen.queryByRole("textbox", { name: "Allowed" })).toBeNull();
    await person.click(screen.getByRole("button", { name: "Create workspace" }));
    expect(create.mock.lastCall?.[0]).toMatchObject({ network: "none" });
    expect(create.mock.lastCall?.[0]).not.toHaveProperty("allow");
  });

  it("shows at the list which of its entries was refused", async () => {
    await form(new ApiError(422, "everything", "0.0.0.0/0 is everything.", "/allow/3/cidr", "r-1"));
    expect((await screen.findByRole("textbox", { name: "Allowed" })).getAttribute("aria-invalid")).toBe(
      "true",
    );
    expect(screen.getByText("0.0.0.0/0 is everything.")).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("says what is wrong at its field and goes there, and asks for nothing", async () => {
    const { create, person } = await form();
    const name = screen.getByRole("textbox", { name: "Name" });
    await person.type(name, "taken");
    await waitFor(() => expect(screen.getByText("You have a workspace of this name.")).toBeTruthy());
    await person.click(screen.getByRole("button", { name: "Create workspace" }));
    await waitFor(() => expect(document.activeElement).toBe(name));
    expect(create).not.toHaveBeenCalled();
  });

  it("shows what the service refused at its field", async () => {
    await form(new ApiError(422, "invalid_input", "Not this one.", "name", "r-1"));
    expect(screen.getByText("Not this one.")).toBeTruthy();
    expect(screen.getByRole("textbox", { name: "Name" }).getAttribute("aria-invalid")).toBe("true");
  });

  it("keeps what is filled in when it is closed", async () => {
    const first = await form();
    await first.person.type(screen.getByRole("textbox", { name: "Name" }), "half-done");
    await first.person.keyboard("{Escape}");
    expect(first.close).toHaveBeenCalledOnce();
    cleanup();
    await form();
    expect(screen.getByRole("textbox", { name: "Name" })).toHaveProperty("value", "half-done");
  });
});

function Picker({ base }: { base: readonly string[] }) {
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [search, setSearch] = useState("");
  return (
    <PackagePicker
      chosen={chosen}
      base={base}
      search={search}
      onSearch={setSearch}
      onChange={(next) => {
        setChosen(next);
        setSearch("");
      }}
    />
  );
}

describe("the package picker", () => {
  it("finds by typing, is chosen from by keys, and takes away", async () => {
    await page(() => <Picker base={[]} />, "/workspaces", ANSWERS);
    const person = userEvent.setup();
    const box = screen.getByRole("combobox", { name: "Packages" });
    await person.type(box, "tree");
    const options = await screen.findAllByRole("option");
    expect(options.map((one) => within(one).getByText(/^tree/).textContent)).toEqual(["tree", "treefmt"]);
    await person.keyboard("{ArrowDown}{Enter}");
    expect(box).toHaveProperty("value", "");
    expect(screen.getByRole("button", { name: "Remove tree" })).toBeTruthy();
    await person.keyboard("{Backspace}");
    expect(screen.queryByRole("button", { name: "Remove tree" })).toBeNull();
  });

  it("names what there is not, what is there already, and what is no name", async () => {
    await page(() => <Picker base={["tree"]} />, "/workspaces", ANSWERS);
    const person = userEvent.setup();
    const box = screen.getByRole("combobox", { name: "Packages" });
    await person.type(box, "nosuch{Enter}");
    expect(await screen.findByText("The package set has no nosuch.")).toBeTruthy();
    await person.click(screen.getByRole("button", { name: "Remove nosuch" }));
    await person.type(box, "tree{Enter}");
    expect(await screen.findByText("In the template already: tree.")).toBeTruthy();
    await person.type(box, "no name{Enter}");
    expect(await screen.findByText("This is not the name of a package.")).toBeTruthy();
  });
});

describe("the first run", () => {
  it("makes a workspace of a template with one click, no larger than the machine", async () => {
    const create = vi.fn<(config: WorkspaceConfig) => void>();
    await page(() => <FirstRun busy={null} onCreate={create} />, "/workspaces", ANSWERS);
    const card = await screen.findByRole("button", { name: /Development/ });
    await waitFor(() => expect(card.textContent).toContain("2 cores · 3 GB · 12 GB disk"));
    await userEvent.setup().click(card);
    expect(create).toHaveBeenCalledWith({
      name: "development",
      template: "development",
      cpu: 2,
      memory: 3,
      storage: 12,
      packages: [],
    });
  });
});
