import { cleanup, fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DetailContext } from "../src/api/detail";
import type { WorkspaceDetail } from "../src/api/types";
import { NetworkTab } from "../src/features/network/NetworkTab";
import { entryOf } from "../src/api/network";
import { allowing, withEntry } from "../src/features/network/entryText";
import type { Denied, Network, Proposal } from "../src/features/network/api";
import { page } from "./page";

const NETWORK: Network = {
  version: 3,
  mode: "locked",
  allow: [{ name: "packages.example", cidr: null, ports: [443], expires_at: null }],
  deny: [],
  effective_mode: "locked",
  beyond_floor: [],
  in_force: true,
  learning: null,
  pending_proposals: 0,
  floor: { mode: "open", allow: [], deny: [], reason: "" },
};
const REFUSED: Denied = {
  at: "2026-11-28T12:00:00.000Z",
  name: "git.example",
  address: "192.0.2.7",
  port: 443,
  protocol: "tcp",
  program: "git",
  count: 2,
};
const PROPOSAL: Proposal = {
  id: "np-1",
  entries: [{ name: "git.example", cidr: null, ports: [22, 443], expires_at: null }],
  reason: "",
  source: "learned",
  state: "pending",
  created_at: "2026-11-28T12:00:00.000Z",
  created_by: "ann",
  decided_at: null,
  decided_by: "",
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function tab(change: Partial<Network> = {}, denied: Denied[] = [], proposals: Proposal[] = []) {
  const network = { ...NETWORK, ...change };
  const one = { id: "ws-1", status: "running" } as WorkspaceDetail;
  const shown = await page(
    () => (
      <DetailContext value={one}>
        <NetworkTab />
      </DetailContext>
    ),
    "/workspaces",
    {
      "/api/nixos/workspaces/ws-1/network/denied": { denied },
      "/api/nixos/workspaces/ws-1/network/proposals": { proposals },
      "/api/nixos/workspaces/ws-1/network": { network },
    },
  );
  await screen.findByRole("radiogroup");
  const sent = () => shown.asked.filter(({ method }) => method !== "GET");
  return { person: userEvent.setup(), sent };
}

const ALLOWED = { name: "packages.example", ports: [443], expires_at: null };

describe("the network of a workspace", () => {
  it("says in plain words what each mode means and changes to the chosen one", async () => {
    const { person, sent } = await tab();
    expect(screen.getByRole<HTMLInputElement>("radio", { name: "Locked" }).checked).toBe(true);
    expect(screen.getByText("Only what is allowed below.")).toBeTruthy();
    await person.click(screen.getByRole("radio", { name: "None" }));
    expect(sent()).toEqual([
      {
        method: "PUT",
        path: "/api/nixos/workspaces/ws-1/network",
        body: { mode: "none", allow: [ALLOWED], deny: [], version: 3 },
      },
    ]);
  });

  it("shows the floor with its reason, and does not offer what goes beyond it", async () => {
    await tab({
      floor: { mode: "balanced", allow: [], deny: [], reason: "Rule 7 of the house." },
      beyond_floor: ["/allow/0"],
    });
    expect(screen.getByText(/at most: Balanced\. Rule 7 of the house\./)).toBeTruthy();
    expect(screen.getByRole<HTMLInputElement>("radio", { name: "Open" }).disabled).toBe(true);
    expect(screen.getByRole<HTMLInputElement>("radio", { name: "Balanced" }).disabled).toBe(false);
    const row = screen.getByRole("row", { name: /packages\.example/ });
    expect(within(row).getByText("Goes beyond the administrator's floor.")).toBeTruthy();
  });

  it("shows the chosen mode as soon as it is clicked", async () => {
    await tab();
    const open = await screen.findByRole("radio", { name: "Open" });
    fireEvent.click(open);
    expect(open).toHaveProperty("checked", true);
  });

  it("adds and removes what is allowed and denied", async () => {
    const { person, sent } = await tab();
    const allowed = screen.getByRole("region", { name: "Allowed" });
    await person.type(within(allowed).getByRole("textbox"), "192.0.2.0/24:5432,8000-8999");
    await person.click(within(allowed).getByRole("button", { name: "Add" }));
    const added = { cidr: "192.0.2.0/24", ports: [5432, "8000-8999"], expires_at: null };
    expect(sent()[0]?.body).toEqual({ mode: "locked", allow: [ALLOWED, added], deny: [], version: 3 });
    await waitFor(() => expect(within(allowed).getByRole<HTMLInputElement>("textbox").value).toBe(""));
    const denied = screen.getByRole("region", { name: "Denied" });
    await person.type(within(denied).getByRole("textbox"), "*.tracker.example");
    await person.click(within(denied).getByRole("button", { name: "Add" }));
    const bad = { name: "*.tracker.example", ports: [], expires_at: null };
    expect(sent()[1]?.body).toEqual({ mode: "locked", allow: [ALLOWED], deny: [bad], version: 3 });
    await person.click(await screen.findByRole("button", { name: "Remove packages.example" }));
    expect(sent()[2]?.body).toEqual({ mode: "locked", allow: [], deny: [], version: 3 });
  });

  it("lists what was refused and allows it by one click", async () => {
    const { person, sent } = await tab({}, [REFUSED]);
    const row = await screen.findByRole("row", { name: /git\.example/ });
    expect(within(row).getByText("443 tcp")).toBeTruthy();
    await person.click(within(row).getByRole("button", { name: "Allow git.example for 1 h" }));
    const body = sent()[0]?.body as { allow: { name: string; ports: number[]; expires_at: string }[] };
    expect(body.allow[1]).toMatchObject({ name: "git.example", ports: [443] });
    const left = Date.parse(body.allow[1]?.expires_at ?? "") - Date.now();
    expect(left > 3_500_000 && left <= 3_600_000).toBe(true);
  });

  it("does not offer again what is allowed, but for good what is allowed for a time", async () => {
    const entry = { name: "git.example", cidr: null, ports: [443], expires_at: "2100-01-01T00:00:00.000Z" };
    await tab({ allow: [entry] }, [REFUSED]);
    const row = await screen.findByRole("row", { name: /git\.example.*Allowed/ });
    expect(
      within(row)
        .getAllByRole("button")
        .map((one) => one.textContent),
    ).toEqual(["Allow for good"]);
    cleanup();
    await tab({ allow: [{ ...entry, ports: [], expires_at: null }] }, [REFUSED]);
    const second = await screen.findByRole("row", { name: /443 tcp.*Allowed/ });
    expect(within(second).queryByRole("button")).toBeNull();
  });

  it("does not offer to allow what the mode would not let out", async () => {
    await tab({ mode: "none", effective_mode: "none" }, [REFUSED]);
    const row = await screen.findByRole("row", { name: /git\.example/ });
    expect(within(row).queryByRole("button")).toBeNull();
  });

  it("approves a learned list for good and locks with it", async () => {
    const { person, sent } = await tab({ mode: "open", effective_mode: "open" }, [], [PROPOSAL]);
    const proposals = await screen.findByRole("region", { name: "Proposals" });
    expect(within(proposals).getByText("git.example 22, 443")).toBeTruthy();
    await person.click(within(proposals).getByRole("button", { name: "Allow for good, and lock" }));
    expect(sent()).toEqual([
      {
        method: "POST",
        path: "/api/nixos/workspaces/ws-1/network/proposals/np-1/approve",
        body: { mode: "locked" },
      },
    ]);
  });

  it("learns for ten minutes, shows the time that is left, and can be cancelled", async () => {
    const { person, sent } = await tab();
    await person.click(screen.getByRole("button", { name: "For 10 minutes" }));
    expect(sent()[0]).toEqual({
      method: "POST",
      path: "/api/nixos/workspaces/ws-1/network/learn",
      body: { for: "10m" },
    });
    cleanup();
    const begun = new Date().toISOString();
    const until = new Date(Date.now() + 90_500).toISOString();
    const second = await tab({
      effective_mode: "observe",
      learning: { started_at: begun, until, seconds_left: 90 },
    });
    expect(screen.getByRole("timer").textContent).toMatch(/Learning for 1m 3[01]s more/);
    await second.person.click(screen.getByRole("button", { name: "Cancel" }));
    expect(second.sent()[0]?.method).toBe("DELETE");
  });

  it("says when the machine has not taken it yet", async () => {
    await tab({ in_force: false });
    expect(screen.getByText(/not in force yet/)).toBeTruthy();
  });
});

describe("the text of an entry", () => {
  it.each([
    ["a.example", { name: "a.example", ports: [] }],
    [" *.a.example:443 ", { name: "*.a.example", ports: [443] }],
    ["192.0.2.1", { cidr: "192.0.2.1", ports: [] }],
    ["[2001:db8::]/32:53,8000-8999", { cidr: "2001:db8::/32", ports: [53, "8000-8999"] }],
    ["2001:db8::1", { cidr: "2001:db8::1", ports: [] }],
    ["0x7f000001", { cidr: "0x7f000001", ports: [] }],
    ["a.example:http", { name: "a.example", ports: ["http"] }],
  ])("reads %s", (text, entry) => {
    expect(entryOf(text)).toEqual(entry);
  });

  it("is nothing for nothing", () => expect(entryOf("  ")).toBeNull());

  it("lets out what was refused: by name where there is one, all ports where only the name was asked", () => {
    expect(allowing({ ...REFUSED, name: null })).toEqual({ cidr: "192.0.2.7/32", ports: [443] });
    expect(allowing({ ...REFUSED, address: "", port: 53, protocol: "dns" })).toEqual({
      name: "git.example",
      ports: [],
    });
    expect(allowing({ ...REFUSED, name: null, address: "" })).toBeNull();
  });

  it("replaces an equal entry", () => {
    const later = { name: "a.example", ports: [443], expires_at: "2030-01-01T00:00:00Z" };
    expect(withEntry([{ ...later, expires_at: null }], later)).toEqual([later]);
  });
});
