import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { SshKeysView } from "../src/features/ssh-keys/SshKeysView";
import { page } from "./page";

const KEY = {
  id: "key-1",
  name: "laptop",
  type: "ssh-ed25519",
  fingerprint: "SHA256:abc",
  public_key: "ssh-ed25519 AAAA",
  created_at: "2026-01-02T03:04:05.000Z",
  last_used_at: null,
};
const ANSWERS = {
  "/api/nixos/ssh-keys": {
    ssh_keys: [KEY],
    host_authority: "ssh-ed25519 BBBB",
    gateway_port: null,
    ssh_key: KEY,
  },
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("adds a key as it was pasted, without the blanks around it", async () => {
  const { asked } = await page(() => <SshKeysView />, "/workspaces", ANSWERS);
  const user = userEvent.setup();
  await screen.findByText("laptop");
  await user.type(screen.getByLabelText("Public key"), "  ssh-ed25519 AAAA me ");
  await user.click(screen.getByRole("button", { name: "Add a key" }));
  const sent = asked.find(({ method }) => method === "POST");
  expect(sent?.body).toEqual({ public_key: "ssh-ed25519 AAAA me", name: "" });
});

it("removes a key only after a question", async () => {
  const { asked } = await page(() => <SshKeysView />, "/workspaces", ANSWERS);
  const user = userEvent.setup();
  await user.click(await screen.findByRole("button", { name: "Remove laptop" }));
  expect(asked.some(({ method }) => method === "DELETE")).toBe(false);
  await user.click(await screen.findByRole("button", { name: "Remove" }));
  expect(asked.find(({ method }) => method === "DELETE")?.path).toBe("/api/nixos/ssh-keys/key-1");
});
