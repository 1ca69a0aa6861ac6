import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import { repositoryOf } from "../src/api/secrets";
import { SecretsPanel } from "../src/features/secrets/SecretsPanel";
import { editorLink, EDITORS } from "../src/features/workspaces/detail/editors";
import { page } from "./page";

const SECRET = {
  name: "TOKEN",
  kind: "environment",
  path: null,
  mode: null,
  host: null,
  username: null,
  length: "short",
  updated_at: "2026-01-01T00:00:00.000Z",
};
const PATH = "/api/nixos/workspaces/ws-1/secrets";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function panel(secrets: readonly unknown[]) {
  const shown = await page(() => <SecretsPanel workspaceId="ws-1" />, "/workspaces", {
    [`${PATH}/TOKEN`]: { secrets: [], delivery: null },
    [`${PATH}/`]: SECRET,
    [PATH]: { secrets, delivery: { at: SECRET.updated_at, problem: "A file is in the way." } },
  });
  return { ...shown, person: userEvent.setup() };
}

describe("the secrets of a workspace", () => {
  it("are listed without values, with what could not be done", async () => {
    await panel([SECRET]);
    expect(await screen.findByText("TOKEN")).toBeTruthy();
    expect(screen.getByText("up to 64 bytes")).toBeTruthy();
    expect(screen.getByText("A file is in the way.")).toBeTruthy();
  });

  it("say that one's own stay out of one that came from another owner", async () => {
    const { asked } = await page(() => <SecretsPanel workspaceId="ws-1" />, "/workspaces", {
      "/api/nixos/workspaces/ws-1/personal-secrets": { personal_secrets: "delivered" },
      [PATH]: { secrets: [], delivery: null, personal: "withheld" },
    });
    await userEvent.setup().click(await screen.findByRole("button", { name: "Deliver my secrets" }));
    await waitFor(() => expect(asked.find((one) => one.method === "PUT")?.body).toEqual({ deliver: true }));
  });

  it("are set by a form that forgets the value", async () => {
    const { asked, person } = await panel([]);
    await person.type(screen.getByRole("textbox", { name: "Name" }), "A_KEY");
    const value = screen.getByLabelText("Value");
    expect(value.getAttribute("type")).toBe("password");
    await person.type(value, "quiet");
    await person.click(screen.getByRole("button", { name: "Set" }));
    await waitFor(() => expect(screen.getByLabelText("Value")).toHaveProperty("value", ""));
    expect(asked.find((one) => one.method === "PUT")).toEqual({
      method: "PUT",
      path: `${PATH}/A_KEY`,
      body: { kind: "environment", value: "quiet" },
    });
    expect(JSON.stringify({ ...localStorage, ...sessionStorage })).not.toContain("quiet");
  });

  it("want a name that can be one, and for Git a host", async () => {
    const { person } = await panel([]);
    await person.type(screen.getByRole("textbox", { name: "Name" }), "1st");
    expect(screen.getByText(/no digit first/)).toBeTruthy();
    await person.clear(screen.getByRole("textbox", { name: "Name" }));
    await person.type(screen.getByRole("textbox", { name: "Name" }), "code");
    await person.selectOptions(screen.getByRole("combobox", { name: "Kind" }), "git");
    await person.type(screen.getByLabelText("Value"), "x");
    expect(screen.getByRole("button", { name: "Set" })).toHaveProperty("disabled", true);
    await person.type(screen.getByRole("textbox", { name: "Host" }), "code.example");
    expect(screen.getByRole("button", { name: "Set" })).toHaveProperty("disabled", false);
  });

  it("say that a value is too large before it is sent", async () => {
    const { asked, person } = await panel([]);
    await person.type(screen.getByRole("textbox", { name: "Name" }), "big");
    await person.selectOptions(screen.getByRole("combobox", { name: "Kind" }), "file");
    await person.click(screen.getByLabelText("Value"));
    await person.paste("ü".repeat(32_769));
    expect(screen.getByText(/more than 64 KiB/)).toBeTruthy();
    expect(screen.getByRole("button", { name: "Set" })).toHaveProperty("disabled", true);
    expect(asked.some((one) => one.method === "PUT")).toBe(false);
  });

  it("are deleted once that is confirmed", async () => {
    const { asked, person } = await panel([SECRET]);
    await person.click(await screen.findByRole("button", { name: "Delete TOKEN" }));
    expect(asked.some((one) => one.method === "DELETE")).toBe(false);
    await person.click(await screen.findByRole("button", { name: "Delete" }));
    await waitFor(() =>
      expect(asked.some((one) => one.method === "DELETE" && one.path === `${PATH}/TOKEN`)).toBe(true),
    );
    expect(await screen.findByText("There are no secrets yet.")).toBeTruthy();
  });
});

describe("addresses", () => {
  it("of repositories have their ref behind a hash", () => {
    expect(repositoryOf(" https://a.example/b#v1 ")).toEqual({ url: "https://a.example/b", ref: "v1" });
    expect(repositoryOf("git@a.example:b")).toEqual({ url: "git@a.example:b" });
    expect(repositoryOf("  ")).toBeNull();
  });

  it("of editors name the workspace's host and its home", () => {
    const links = EDITORS.map((editor) => editorLink(editor, { name: "one" }));
    expect(links[0]).toBe("vscode://vscode-remote/ssh-remote+one.nixws/home/nixos");
    expect(links[1]).toBe("cursor://vscode-remote/ssh-remote+one.nixws/home/nixos");
    expect(links[2]).toContain("host=one.nixws");
  });
});
