import { cleanup, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { components } from "../src/api/schema";
import type { Health, WorkspaceDetail } from "../src/api/types";
import { AdminView } from "../src/features/admin/AdminView";
import { asText } from "../src/features/admin/Findings";
import { WhyPanel } from "../src/features/workspaces/detail/overview/WhyPanel";
import { de } from "../src/shared/i18n/de";
import { translator } from "../src/shared/i18n/messages";
import { problems } from "../src/shared/i18n/problems.de";
import * as said from "../src/shared/i18n/said.de";
import { page } from "./page";

const HEALTH: Health = {
  status: "degraded",
  version: "0.1.0",
  package_set: "Some set",
  capacity: null,
  response_times: [],
  items: [
    {
      code: "database",
      ok: true,
      severity: "ok",
      message: "The database stores.",
      remedy: "",
      said: { code: "database.ok", values: {} },
    },
    {
      code: "disk_data",
      ok: false,
      severity: "critical",
      message: "The disk of /srv (data) has 1 GB of 100 GB left (1.0 %).",
      remedy: "Make room on the disk of /srv.",
      said: {
        code: "disk.full",
        values: { path: "/srv", purpose: "data", free: "1.5", total: "100", share: "1.0" },
      },
    },
  ],
};

const WHY: components["schemas"]["WhyAnswer"] = {
  question: "not_running",
  code: "why.stopped",
  sentence: "It does not run because it was stopped.",
  said: { code: "why.stopped", values: {} },
  evidence: [
    {
      sentence: "Its status is stopped; asked for is stopped.",
      said: { code: "why.seen.status", values: { status: "stopped", desire: "stopped" } },
    },
  ],
  next: {
    action: "start",
    sentence: "Start it.",
    command: "nixws start dev",
    link: "/workspaces/ws-1",
    said: { code: "why.next.start", values: {} },
  },
  checks: [
    {
      line: "terminal.running",
      title: "Verify workspace is running",
      outcome: "bad",
      sentence: "It does not run: its status is stopped.",
      said: { code: "why.found.not_running", values: { status: "stopped" } },
    },
  ],
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const german = translator("de", de, problems, said);

describe("the page of health", () => {
  it("puts what is urgent first, with codes and what to do", async () => {
    await page(() => <AdminView />, "/workspaces", { "/api/nixos/health": HEALTH });
    const groups = await screen.findAllByRole("table");
    expect(groups.map((one) => one.getAttribute("aria-label"))).toEqual(["Critical", "Fine"]);
    const critical = within(screen.getByRole("table", { name: "Critical" }));
    expect(critical.getByText("disk.full")).toBeTruthy();
    expect(critical.getByText("What to do: Make room on the disk of /srv.")).toBeTruthy();
    expect(screen.getByText("1 thing is wrong")).toBeTruthy();
  });

  it("is copied as text in the language in force", () => {
    const text = asText(german, HEALTH);
    expect(text.split("\n")[1]).toBe(
      "[critical] disk.full: Auf dem Datenträger von /srv (data) sind 1,5 GB von 100 GB frei (1 %).",
    );
    expect(text).toContain("[ok] database.ok: Die Datenbank speichert.");
  });
});

const detail = (change: Partial<WorkspaceDetail>) =>
  ({ id: "ws-1", name: "dev", status: "stopped", metrics: null, ...change }) as WorkspaceDetail;

describe("why a workspace does not do what is expected", () => {
  const answers = { "/api/nixos/workspaces/ws-1/why": WHY, "/api/nixos/workspaces/ws-1/start": {} };

  it("is said in one sentence, with the next step as a button", async () => {
    const { asked } = await page(() => <WhyPanel detail={detail({})} />, "/workspaces", answers);
    const panel = within(await screen.findByRole("region", { name: "Why?" }));
    expect(await panel.findByText("It does not run because it was stopped.")).toBeTruthy();
    expect(panel.getByText(/Verify workspace is running – bad/)).toBeTruthy();
    await userEvent.click(panel.getByRole("button", { name: "Start" }));
    await waitFor(() =>
      expect(asked.some(({ method, path }) => method === "POST" && path.endsWith("/start"))).toBe(true),
    );
  });

  it("is not looked for in a workspace that is well until somebody asks", async () => {
    const well = { ...WHY, question: null };
    const { asked } = await page(() => <WhyPanel detail={detail({ status: "running" })} />, "/workspaces", {
      "/api/nixos/workspaces/ws-1/why": well,
    });
    expect(asked.some(({ path }) => path.endsWith("/why"))).toBe(false);
    await userEvent.click(screen.getByRole("button", { name: "Look why" }));
    await waitFor(() => expect(asked.some(({ path }) => path.endsWith("/why"))).toBe(true));
  });

  it("is looked for at once where figures speak for it", async () => {
    const busy = { cpu_usage: 99, memory_usage: 10, storage_usage: 10 };
    const { asked } = await page(
      () => <WhyPanel detail={detail({ status: "running", metrics: busy as WorkspaceDetail["metrics"] })} />,
      "/workspaces",
      answers,
    );
    await waitFor(() => expect(asked.some(({ path }) => path.endsWith("/why"))).toBe(true));
  });
});
