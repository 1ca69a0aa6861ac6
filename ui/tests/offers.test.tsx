import { cleanup, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import { OffersBanner } from "../src/features/sharing/OffersBanner";
import { page } from "./page";

const OFFER = {
  workspace_id: "ws-1",
  name: "alpha",
  owner: "bob",
  to: "ann",
  offered_at: "2026-01-01T00:00:00.000Z",
  expires_at: "2026-01-08T00:00:00.000Z",
};
const PATH = "/api/nixos/transfers";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function banner() {
  const shown = await page(() => <OffersBanner />, "/workspaces", {
    [`${PATH}/ws-1`]: { workspace_id: "ws-1", name: "alpha", personal_secrets: "withheld" },
    [PATH]: { received: [OFFER], made: [] },
    "/api/nixos/workspaces": { workspaces: [], next_cursor: null },
  });
  return { ...shown, person: userEvent.setup() };
}

describe("an offered workspace", () => {
  it("is accepted once it was said what stays in it", async () => {
    const { asked, person } = await banner();
    expect(await screen.findByText(/bob offers you the workspace alpha/)).toBeTruthy();
    await person.click(screen.getByRole("button", { name: "Accept" }));
    expect(asked.some(({ method }) => method === "POST")).toBe(false);
    const dialog = await screen.findByRole("dialog");
    expect(within(dialog).getByText(/programs that start by themselves included/)).toBeTruthy();
    await person.click(within(dialog).getByRole("button", { name: "Accept" }));
    await waitFor(() =>
      expect(asked).toContainEqual({ method: "POST", path: `${PATH}/ws-1/accept`, body: {} }),
    );
  });

  it("is refused", async () => {
    const { asked, person } = await banner();
    await person.click(await screen.findByRole("button", { name: "Refuse" }));
    await waitFor(() => expect(asked.some(({ path }) => path === `${PATH}/ws-1/refuse`)).toBe(true));
  });
});
