import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Toasts } from "../src/app/Toasts";
import { type Idle, minutesOf, typedMinutes } from "../src/features/workspaces/detail/rest/api";
import { RestPanels } from "../src/features/workspaces/detail/rest/RestPanels";
import { StopReasonPanel } from "../src/features/workspaces/detail/rest/StopReasonPanel";
import { warn } from "../src/features/workspaces/detail/rest/warning";
import { page } from "./page";

const IDLE: Idle = {
  own: true,
  policy: {
    pause_after: "10m",
    stop_after: "2h",
    warn: "5m",
    quiet: null,
    units: ["serve.service"],
    cpu_percent: 3,
    io_kb: 20,
    timer_within: "10m",
  },
  state: "working",
  because: [{ code: "idle.cpu", values: { unit: "make.service", percent: "80.0" } }],
  since: null,
  most: null,
  next: null,
  hold: null,
};
const SCHEDULE = {
  runs: [{ action: "stop", cron: "0 19 * * *", zone: "Europe/Berlin" }],
  next: [{ at: "2026-11-29T18:00:00.000Z", action: "stop" }],
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function panels() {
  const shown = await page(() => <RestPanels id="ws-1" />, "/workspaces", {
    "/api/nixos/workspaces/ws-1/idle": { idle: IDLE },
    "/api/nixos/workspaces/ws-1/hold": { idle: { ...IDLE, hold: null } },
    "/api/nixos/workspaces/ws-1/schedule": { schedule: SCHEDULE },
  });
  await screen.findByText("0 19 * * *");
  const sent = () => shown.asked.filter(({ method }) => method !== "GET");
  return { person: userEvent.setup(), sent };
}

describe("the rest of a workspace", () => {
  it("says why it is awake, and changes the times with the rest of the policy kept", async () => {
    const { person, sent } = await panels();
    expect(screen.getByText("It works:")).toBeTruthy();
    const stop = screen.getByRole("textbox", { name: /Stop after/ });
    expect((stop as HTMLInputElement).value).toBe("120");
    await person.clear(stop);
    await person.type(stop, "5");
    expect(screen.getByText(/no sooner than paused/)).toBeTruthy();
    await person.clear(stop);
    await person.click(screen.getByRole("button", { name: "Save" }));
    await person.click(screen.getByRole("button", { name: "Keep it running for 2 hours" }));
    await person.click(screen.getByRole("button", { name: "Remove Stop 0 19 * * *" }));
    expect(sent()).toEqual([
      {
        method: "PUT",
        path: "/api/nixos/workspaces/ws-1/idle",
        body: { ...IDLE.policy, stop_after: null },
      },
      { method: "POST", path: "/api/nixos/workspaces/ws-1/hold", body: { for: "2h" } },
      { method: "PUT", path: "/api/nixos/workspaces/ws-1/schedule", body: { runs: [] } },
    ]);
  });

  it("has other times at certain hours of every day", async () => {
    const { person, sent } = await panels();
    await person.click(screen.getByRole("checkbox", { name: "Other times at certain hours" }));
    const stop = screen.getByRole("textbox", { name: /Then stop after/ });
    await person.clear(screen.getByRole("textbox", { name: /Then pause after/ }));
    await person.clear(stop);
    await person.type(stop, "0");
    expect((screen.getByRole("button", { name: "Save" }) as HTMLButtonElement).disabled).toBe(true);
    await person.clear(stop);
    await person.type(stop, "20");
    await person.click(screen.getByRole("button", { name: "Save" }));
    const quiet = {
      begin: "22:00",
      end: "06:00",
      zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
      pause_after: null,
      stop_after: "20m",
    };
    expect(sent().map(({ body }) => body)).toEqual([{ ...IDLE.policy, stop_after: "120m", quiet }]);
  });

  it("is told of before, with a way to keep it running", async () => {
    const { asked } = await page(() => <Toasts />, "/workspaces", {
      "/api/nixos/workspaces/ws-1/hold": { idle: IDLE },
    });
    warn([
      {
        type: "workspace.idle",
        workspace_id: "ws-1",
        name: "demo",
        step: "pause",
        at: "2026-11-29T18:00:00+00:00",
      },
    ]);
    await screen.findByText(/demo is paused at/);
    await userEvent.setup().click(screen.getByRole("button", { name: "Keep it running" }));
    await screen.findByText("demo is left running for 2 hours");
    expect(asked.map(({ method, path }) => [method, path])).toEqual([
      ["POST", "/api/nixos/workspaces/ws-1/hold"],
    ]);
  });

  it("tells once of a budget that has passed a threshold, and that its end stops workspaces", async () => {
    await page(() => <Toasts />);
    const told = { type: "workspace.budget", kind: "group" as const, percent: 80, stops: true };
    warn([
      { ...told, workspace_id: "ws-1" },
      { ...told, workspace_id: "ws-2" },
    ]);
    expect(
      await screen.findAllByText(/^80 % of the budget of a group.*what runs is stopped\.$/),
    ).toHaveLength(1);
  });

  it("tells the reason of a stop with what was seen", async () => {
    const reason = {
      by: "system" as const,
      actor: "system:idle",
      code: "stop.idle",
      sentence: "Nothing worked in it for 30 minutes.",
      said: { code: "stop.idle", values: { minutes: "30" } },
      seen: [{ code: "idle.most", values: { unit: "sshd.service" }, text: "Most: sshd.service." }],
      at: "2026-11-29T18:00:00.000Z",
    };
    await page(() => <StopReasonPanel reason={reason} />);
    expect(await screen.findByText("Nothing worked in it for 30 minutes.")).toBeTruthy();
    expect(screen.getByText("Most: sshd.service.")).toBeTruthy();
  });

  it("reads and writes whole minutes", () => {
    expect(["90s", "10m", "2h", "1d", null].map(minutesOf)).toEqual(["1.5", "10", "120", "1440", ""]);
    expect(["", "0", "1", "1.5", "43201", "x"].map(typedMinutes)).toEqual([
      null,
      undefined,
      1,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
