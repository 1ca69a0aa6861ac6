import { cleanup, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { UsageView } from "../src/features/usage/UsageView";
import { page } from "./page";

const USAGE = {
  cpu_hours_used: 1.5,
  cpu_hours_reserved: 4,
  memory_gb_hours_used: 2,
  memory_gb_hours_reserved: 4,
  storage_gb_months: 0.5,
  snapshot_gb_months: 0,
  egress_gb: 0.25,
};
const item = (more: object) => ({
  workspace_id: null,
  workspace: null,
  owner_id: null,
  owner: null,
  group_id: null,
  group: null,
  template: null,
  day: null,
  cpu_cost: "1.500000",
  memory_cost: "0.250000",
  storage_cost: "0.020000",
  snapshot_cost: "0.000000",
  network_cost: "0.000000",
  idle_cost: "0.000000",
  total_cost: "1.770000",
  total_efficiency: 0.42,
  usage: USAGE,
  ...more,
});
const COSTS = {
  currency: "EUR",
  begin: "2026-11-01T00:00:00.000Z",
  end: "2026-12-01T00:00:00.000Z",
  items: [item({ workspace_id: "ws-1", workspace: "web" })],
  total: item({}),
  idle_cost: null,
  now_per_hour: "0.012345",
  month_so_far: "1.770000",
  forecast: { low: "2.000000", expected: "3.500000", high: "5.000000" },
};
const BUDGET = {
  subject: "user:usr-ann",
  kind: "user",
  name: "ann",
  amount: "10.000000",
  spent: "8.500000",
  percent: 85,
  at_limit: "stop",
  thresholds: [50, 80, 100],
  reached: false,
};
const days = [1, 2, 3].map((day) => item({ day: `2026-11-0${day}`, total_cost: `${day}.000000` }));
const ANSWERS = {
  "/api/nixos/costs?window=month&aggregate=day": { ...COSTS, items: days },
  "/api/nixos/costs": COSTS,
  "/api/nixos/budgets": { currency: "EUR", budgets: [BUDGET] },
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("shows money now, this month and to be expected, by workspace and by day", async () => {
  await page(() => <UsageView />, "/workspaces", ANSWERS);
  expect(await screen.findByText("€2.00 to €5.00")).toBeTruthy();
  expect(screen.getByText("€0.0123")).toBeTruthy();
  const table = within(await screen.findByRole("table", { name: "What was used" }));
  expect(table.getByText("web")).toBeTruthy();
  expect(table.getAllByText("42%")).toHaveLength(2);
  expect(await screen.findByText("Nov 2: €2.00")).toBeTruthy();
  const exported = screen.getByRole("link", { name: "Costs (FOCUS 1.3)" }).getAttribute("href");
  expect(exported).toMatch(/^\/api\/nixos\/costs\/export\?month=\d{4}-\d\d&format=focus-1\.3$/);
});

it("shows use alone where there are no prices", async () => {
  const free = { ...COSTS, currency: "" };
  await page(() => <UsageView />, "/workspaces", { ...ANSWERS, "/api/nixos/costs": free });
  expect(await screen.findByText(/There are no prices/)).toBeTruthy();
  const table = within(screen.getByRole("table", { name: "What was used" }));
  expect(table.getAllByText("1.5")).toHaveLength(2);
  expect(screen.queryByText("Now, an hour")).toBeNull();
});

it("sets and removes budgets", async () => {
  const { asked } = await page(() => <UsageView />, "/workspaces", ANSWERS);
  const user = userEvent.setup();
  expect(await screen.findByText(/€8.50 of €10.00/)).toBeTruthy();
  await user.type(screen.getByLabelText("User, group or workspace"), "group:crew");
  await user.type(screen.getByLabelText("Amount a month"), "12,5");
  await user.selectOptions(screen.getByLabelText("At the limit"), "no_new");
  await user.click(screen.getByRole("button", { name: "Set the budget" }));
  const body = { amount: "12.5", at_limit: "no_new" };
  expect(asked).toContainEqual({ method: "PUT", path: "/api/nixos/budgets/group%3Acrew", body });
  await user.click(screen.getByRole("button", { name: "Remove the budget of ann" }));
  expect(asked).toContainEqual({ method: "DELETE", path: "/api/nixos/budgets/user%3Ausr-ann", body: null });
});
