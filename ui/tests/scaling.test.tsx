import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { WorkspaceDetail } from "../src/api/types";
import { AdvicePanel } from "../src/features/workspaces/detail/scaling/AdvicePanel";
import { AutoscalePanel } from "../src/features/workspaces/detail/scaling/AutoscalePanel";
import { page } from "./page";

const PATH = "/api/nixos/workspaces/ws-1";
const ADVICE = {
  state: "change",
  cpu: { now: 4, advised: 1.25 },
  memory: { now: 4, advised: 2 },
  confidence: 0.5,
  since: "2026-01-01T00:00:00.000Z",
  saving: 10_000,
  reasons: [{ code: "advice.cpu", values: { used: "1.02" } }],
  messages: ["Nine tenths of the time it used 1.02 cores or less."],
  needs_restart: false,
  version: "abc",
};
const SIZE = {
  policy: { cpu: { min: 1, max: 4 }, memory: { min: 1, max: 8 }, down_after: 600 },
  boost: null,
  chosen: { cpu: 1, memory: 1 },
  size: { cpu: 2, memory: 1 },
  down_within: 1000,
  decisions: [
    {
      at: "2026-01-01T00:00:00.000Z",
      kind: "up",
      before: { cpu: 1, memory: 1 },
      after: { cpu: 2, memory: 1 },
      reason: { code: "scaling.cpu_short", values: {} },
      message: "Its cores were used up.",
      evidence: { cpu: 0.98, memory_bytes: 2 ** 29 },
    },
  ],
};
const DETAIL = { id: "ws-1", name: "one", status: "running" } as WorkspaceDetail;

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe("advice", () => {
  it("is applied by one button, as long as it is the same", async () => {
    const { asked } = await page(() => <AdvicePanel workspaceId="ws-1" />, "/workspaces", {
      [`${PATH}/advice/apply`]: { workspace: DETAIL },
      [`${PATH}/advice`]: ADVICE,
    });
    expect(await screen.findByText("Another size would fit better: 1.25 cores and 2 GB.")).toBeTruthy();
    expect(screen.getByText("Nine tenths of the time it used 1.02 cores or less.")).toBeTruthy();
    expect(screen.getByText(/Saves 7.3 a month/)).toBeTruthy();
    await userEvent.setup().click(screen.getByRole("button", { name: "Apply" }));
    await waitFor(() => expect(asked.some((one) => one.method === "POST")).toBe(true));
  });

  it("is not given too early", async () => {
    await page(() => <AdvicePanel workspaceId="ws-1" />, "/workspaces", {
      [`${PATH}/advice`]: { ...ADVICE, state: "too_early", saving: null },
    });
    expect(await screen.findByText("It is too early for advice.")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Apply" })).toBeNull();
  });
});

describe("a size that changes by itself", () => {
  it("shows what was decided and seen, and takes bounds", async () => {
    const { asked } = await page(() => <AutoscalePanel detail={DETAIL} />, "/workspaces", {
      [`${PATH}/autoscale`]: SIZE,
    });
    expect(await screen.findByText("Its cores were used up.")).toBeTruthy();
    expect(screen.getByText("0.98 cores and 512 MB in use")).toBeTruthy();
    const most = screen.getByRole("textbox", { name: "Cores, at most" });
    const person = userEvent.setup();
    await person.clear(most);
    await person.type(most, "0,5");
    expect(screen.getByRole("button", { name: "Change" })).toHaveProperty("disabled", true);
    await person.clear(most);
    await person.type(most, "6");
    await person.click(screen.getByRole("button", { name: "Change" }));
    await waitFor(() =>
      expect(asked.find((one) => one.method === "PUT")?.body).toEqual({
        cpu: { min: 1, max: 6 },
        memory: { min: 1, max: 8 },
        down_after: "600s",
      }),
    );
  });

  it("is boosted and brought back", async () => {
    const boost = { cpu: 2, memory: 2, until: "2026-01-01T00:00:00.000Z", by: "admin" };
    const { asked } = await page(() => <AutoscalePanel detail={DETAIL} />, "/workspaces", {
      [`${PATH}/boost`]: { ...SIZE, boost },
      [`${PATH}/autoscale`]: SIZE,
    });
    await userEvent.setup().click(await screen.findByRole("button", { name: "Boost for an hour" }));
    await waitFor(() =>
      expect(asked.find((one) => one.method === "POST")?.body).toEqual({ cpu: 2, memory: 2, for: "1h" }),
    );
    expect(await screen.findByRole("button", { name: "End the boost" })).toBeTruthy();
  });
});
