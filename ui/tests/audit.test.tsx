import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { AuditView } from "../src/features/admin/AuditView";
import { changes } from "../src/features/admin/changes";
import { page } from "./page";

const ENTRY = {
  seq: 7,
  at: "2026-01-02T03:04:05.000Z",
  actor: "ann",
  chain: ["session-1"],
  address: "192.0.2.1",
  request_id: "r1",
  action: "resize",
  workspace_id: "ws-1",
  target: "",
  outcome: "accepted",
  before: { resources: { cpu: 1 } },
  after: { resources: { cpu: 2 } },
  detail: null,
  kind: "change",
};
const answers = (verified: object) => ({
  "/api/nixos/audit": { entries: [ENTRY], next_cursor: null, size: 9, verified },
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("shows who changed what, and how far the log is verified", async () => {
  const verified = { size: 8, at: "2026-01-02T03:05:00.000Z", first_bad: null, flaw: "" };
  await page(() => <AuditView />, "/workspaces", answers(verified));
  const user = userEvent.setup();
  await user.click(await screen.findByText("1 value changed"));
  expect(screen.getByText("resources.cpu")).toBeTruthy();
  expect(screen.getByText(/192\.0\.2\.1 · session-1 · r1/)).toBeTruthy();
  expect(screen.getByText(/Verified up to 8 of 9/)).toBeTruthy();
});

it("names the first bad entry", async () => {
  const verified = { size: 3, at: "2026-01-02T03:05:00.000Z", first_bad: 4, flaw: "changed" };
  await page(() => <AuditView />, "/workspaces", answers(verified));
  expect(await screen.findByText("Entry 4 is not what it was")).toBeTruthy();
});

it("asks for what is chosen", async () => {
  const verified = { size: 0, at: null, first_bad: null, flaw: "" };
  const { asked } = await page(() => <AuditView />, "/workspaces", answers(verified));
  const user = userEvent.setup();
  await user.type(await screen.findByLabelText("Who"), " ann ");
  await user.selectOptions(screen.getByLabelText("Kind"), "change");
  await user.click(screen.getByRole("button", { name: "Show" }));
  await screen.findByText("1 value changed");
  expect(asked.at(-1)?.path).toContain("/api/nixos/audit");
});

it("compares values by their path", () => {
  expect(changes({ a: 1, b: { c: [1], d: "x" } }, { a: 1, b: { c: [2] }, e: null })).toEqual([
    { path: "b.c", before: "[1]", after: "[2]" },
    { path: "b.d", before: "x", after: undefined },
    { path: "e", before: undefined, after: "null" },
  ]);
  expect(changes(null, undefined)).toEqual([]);
});
