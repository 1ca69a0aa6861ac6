import { cleanup, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { DeviceView } from "../src/features/people/DeviceView";
import { MeView } from "../src/features/people/MeView";
import { PeopleView } from "../src/features/people/PeopleView";
import { page } from "./page";

const at = "2026-01-02T03:04:05.000Z";
const user = (handle: string, more: object = {}) => ({
  id: `usr-${handle}`,
  handle,
  display_name: handle,
  role: "member",
  kind: "person",
  state: "active",
  has_password: true,
  created_at: at,
  ...more,
});
const TOKEN = {
  id: "tok-1",
  name: "ci",
  prefix: "nixws_abc",
  scopes: ["files:read"],
  workspaces: null,
  created_at: at,
  expires_at: at,
  last_used_at: null,
  parent_id: null,
};
const SESSION = { device: "Firefox", created_at: at, expires_at: at, idle_until: null, last_used_at: at };
const AMOUNTS = { workspaces: 2, running: 1, cpu: 1, memory: 1, storage: 1 };
const NO_BOUND = { workspaces: 5, running: null, cpu: null, memory: null, storage: null };
const PASSKEY = {
  id: "psk-1",
  name: "laptop",
  host: "localhost",
  is_for_this: true,
  created_at: at,
  last_used_at: null,
};
const ANSWERS = {
  "/api/nixos/me/passkeys": {
    must_confirm: true,
    passkeys: [PASSKEY, { ...PASSKEY, id: "psk-2", name: "old", host: "x.example", is_for_this: false }],
  },
  "/api/nixos/me": { user: user("ann") },
  "/api/nixos/tokens": { tokens: [TOKEN], token: TOKEN, secret: "nixws_abcdef" },
  "/api/nixos/sessions": {
    sessions: [
      { id: "tok-2", address: "192.0.2.1", is_current: true, ...SESSION },
      { id: "tok-3", address: "192.0.2.2", is_current: false, ...SESSION },
    ],
    ended: 1,
  },
  "/api/nixos/users": {
    users: [user("ann"), user("bob", { state: "suspended" })],
    user: user("ann"),
    url: "http://x/login?code=1",
  },
  "/api/nixos/groups": {
    groups: [{ id: "grp-1", name: "crew", members: ["usr-ann"], created_at: at }],
    group: null,
  },
  "/api/nixos/quotas": {
    quotas: [{ kind: "user", subject_id: "usr-ann", name: "ann", allowed: NO_BOUND, used: AMOUNTS }],
  },
  "/api/nixos/device": {
    user_code: "BCDFGHJK",
    name: "nixws ann@laptop",
    address: "192.0.2.3",
    scopes: null,
    workspaces: null,
    expires_in: 100,
  },
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("makes a token within scopes, and shows its secret once", async () => {
  const { asked } = await page(() => <MeView />, "/workspaces", ANSWERS);
  const hand = userEvent.setup();
  const form = await screen.findByRole("form", { name: "Make a token" });
  await hand.type(within(form).getByLabelText("Name"), "deploy");
  await hand.click(within(form).getByLabelText("Limit what it may do"));
  await hand.click(within(form).getByLabelText("Read files"));
  await hand.click(within(form).getByRole("button", { name: "Make a token" }));
  expect(await screen.findByText("nixws_abcdef")).toBeTruthy();
  expect(asked.find(({ method }) => method === "POST")?.body).toEqual({
    name: "deploy",
    expires_in: "90d",
    scopes: ["files:read"],
  });
  await hand.click(screen.getByRole("button", { name: "I have kept it" }));
  expect(screen.queryByText("nixws_abcdef")).toBeNull();
});

it("revokes a token after a question, and ends another session at once", async () => {
  const { asked } = await page(() => <MeView />, "/workspaces", ANSWERS);
  const hand = userEvent.setup();
  await hand.click(await screen.findByRole("button", { name: "Revoke ci" }));
  expect(asked.some(({ method }) => method === "DELETE")).toBe(false);
  await hand.click(await screen.findByRole("button", { name: "Revoke" }));
  await hand.click(await screen.findByRole("button", { name: "End the session at 192.0.2.2" }));
  await hand.click(screen.getByRole("button", { name: "End all others" }));
  expect(asked.filter(({ method }) => method === "DELETE").map(({ path }) => path)).toEqual([
    "/api/nixos/tokens/tok-1",
    "/api/nixos/sessions/tok-3",
    "/api/nixos/sessions",
  ]);
});

it("sets the password with the current one", async () => {
  const { asked } = await page(() => <MeView />, "/workspaces", ANSWERS);
  const hand = userEvent.setup();
  await hand.type(await screen.findByLabelText("Current password"), "old one");
  await hand.type(screen.getByLabelText("New password"), "seven green lanterns");
  await hand.click(screen.getByRole("button", { name: "Set the password" }));
  const sent = asked.find(({ method }) => method === "PUT");
  expect(sent?.path).toBe("/api/nixos/me/password");
  expect(sent?.body).toEqual({ password: "seven green lanterns", current: "old one", passkey: null });
});

it("renames a passkey, removes one after a question, and says where the browser has none", async () => {
  const { asked } = await page(() => <MeView />, "/workspaces", ANSWERS);
  const hand = userEvent.setup();
  expect(await screen.findByText(/for x.example, not for this address/)).toBeTruthy();
  await hand.click(screen.getByRole("button", { name: "Rename laptop" }));
  const dialog = await screen.findByRole("dialog");
  await hand.clear(within(dialog).getByLabelText("Name of the passkey"));
  await hand.type(within(dialog).getByLabelText("Name of the passkey"), "work laptop");
  await hand.click(within(dialog).getByRole("button", { name: "Rename" }));
  await hand.click(screen.getByRole("button", { name: "Remove old" }));
  expect(asked.some(({ method }) => method === "DELETE")).toBe(false);
  await hand.click(await screen.findByRole("button", { name: "Remove" }));
  expect(asked.filter(({ method }) => method === "PATCH" || method === "DELETE")).toMatchObject([
    { method: "PATCH", path: "/api/nixos/me/passkeys/psk-1", body: { name: "work laptop" } },
    { method: "DELETE", path: "/api/nixos/me/passkeys/psk-2" },
  ]);
  // This page has no secure context.
  expect(screen.getByText(/only over https or at http:\/\/localhost/)).toBeTruthy();
  expect(screen.queryByRole("form", { name: "Add a passkey" })).toBeNull();
});

it("suspends a user after a question, and lets another in again", async () => {
  const { asked } = await page(() => <PeopleView />, "/workspaces", ANSWERS);
  const hand = userEvent.setup();
  await hand.click(await screen.findByRole("button", { name: "Suspend ann" }));
  expect(asked.some(({ method }) => method === "PATCH")).toBe(false);
  await hand.click(await screen.findByRole("button", { name: "Suspend" }));
  await hand.click(await screen.findByRole("button", { name: "Let bob in again" }));
  expect(asked.filter(({ method }) => method === "PATCH")).toMatchObject([
    { path: "/api/nixos/users/usr-ann", body: { state: "suspended" } },
    { path: "/api/nixos/users/usr-bob", body: { state: "active" } },
  ]);
});

it("adds a user, a member and a quota", async () => {
  const { asked } = await page(() => <PeopleView />, "/workspaces", ANSWERS);
  const hand = userEvent.setup();
  const form = await screen.findByRole("form", { name: "Add a user" });
  await hand.type(within(form).getByLabelText("Handle"), "carl");
  await hand.click(within(form).getByRole("button", { name: "Add a user" }));
  await hand.selectOptions(await screen.findByLabelText("Add to crew"), "usr-bob");
  const quota = screen.getByRole("form", { name: "Set the quota" });
  await hand.selectOptions(within(quota).getByLabelText("Quota of"), "users/usr-ann");
  const workspaces = within(quota).getByLabelText("Workspaces");
  expect(workspaces).toHaveProperty("value", "5");
  await hand.clear(workspaces);
  await hand.type(within(quota).getByLabelText("Cores"), "1.5");
  await hand.click(within(quota).getByRole("button", { name: "Set the quota" }));
  expect(asked.filter(({ method }) => method === "POST" || method === "PUT")).toMatchObject([
    { path: "/api/nixos/users", body: { handle: "carl", role: "member", kind: "person" } },
    { path: "/api/nixos/groups/grp-1/members/usr-bob" },
    {
      path: "/api/nixos/quotas/users/usr-ann",
      body: { workspaces: null, running: null, cpu: 1.5, memory: null, storage: null },
    },
  ]);
});

it("confirms a program by its code", async () => {
  const { asked } = await page(() => <DeviceView />, "/workspaces", ANSWERS);
  const hand = userEvent.setup();
  await hand.type(await screen.findByLabelText("Code"), "bcdf-ghjk");
  await hand.click(screen.getByRole("button", { name: "Continue" }));
  expect(await screen.findByText(/nixws ann@laptop at 192.0.2.3/)).toBeTruthy();
  await hand.click(screen.getByRole("button", { name: "Confirm" }));
  expect(await screen.findByText(/The program is signed in/)).toBeTruthy();
  expect(asked.at(-1)).toMatchObject({
    method: "POST",
    path: "/api/nixos/device/bcdf-ghjk",
    body: { approve: true },
  });
});
