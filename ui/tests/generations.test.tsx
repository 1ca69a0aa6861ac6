import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import type { WorkspaceDetail } from "../src/api/types";
import { Generations } from "../src/features/workspaces/detail/overview/Generations";
import { page } from "./page";

const PATH = "/api/nixos/workspaces/ws-1/generations";
const DETAIL = { id: "ws-1", name: "one", status: "running", generation: 2 } as WorkspaceDetail;
const built = (number: number, packages: string[]) => ({
  number,
  toplevel: `/nix/store/${number}`,
  template: "minimal",
  packages,
  ports: [],
  created_at: "2026-01-01T00:00:00.000Z",
  current: number === 2,
});
const FOUND = {
  first: 1,
  second: 2,
  added: [{ name: "jq", before: [], after: ["1.6"], bytes_before: 0, bytes_after: 2_097_152 }],
  removed: [],
  changed: [{ name: "git", before: ["2.39"], after: ["2.45"], bytes_before: 10, bytes_after: 10 }],
  rebuilt: [{ name: "etc-profile", before: [""], after: [""], bytes_before: 1, bytes_after: 1 }],
  units: { added: ["web.service"], removed: [], changed: [] },
  bytes_added: 2_097_163,
  bytes_removed: 11,
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("tells of a generation what is different in its system once somebody asks", async () => {
  const { asked } = await page(() => <Generations detail={DETAIL} />, "/workspaces", {
    [`${PATH}/1/diff`]: FOUND,
    [PATH]: { generations: [built(2, ["git", "jq"]), built(1, ["git"])] },
  });
  const all = await screen.findByText("All that is different from generation 1");
  expect(screen.getAllByText(/^All that is different/)).toHaveLength(1);
  expect(asked.some(({ path }) => path.includes("/diff"))).toBe(false);
  await userEvent.setup().click(all);
  expect(await screen.findByText("2.39 → 2.45")).toBeTruthy();
  expect(screen.getByRole("row", { name: /jq/ }).textContent).toContain("1.6");
  expect(screen.getByText("web.service")).toBeTruthy();
  expect(screen.getByText("Built anew in the same version: etc-profile")).toBeTruthy();
  expect(screen.getByText(/come, .* go\.$/)).toBeTruthy();
});
