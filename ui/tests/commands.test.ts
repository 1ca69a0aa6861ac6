import { describe, expect, it } from "vitest";
import { QueryClient } from "@tanstack/react-query";
import type { CommandScope } from "../src/api/commands";
import { applyLive } from "../src/api/live";
import { commandsOf, grouped } from "../src/app/commands";
import { en } from "./english";
import { translator } from "../src/shared/i18n/messages";
import { openEvent, workspace } from "./workspaces";

const nothing = () => undefined;

const open = workspace({ id: "ws-1", name: "alpha", status: "running" });
const other = workspace({ id: "ws-2", name: "beta", status: "stopped" });

function scope(here: typeof open | null, gone: string[] = []): CommandScope {
  return {
    t: translator("en", en),
    workspaces: [open, other],
    here,
    session: { name: "ann", role: "user" },
    go: (path) => gone.push(path),
    perform: nothing,
    create: nothing,
  };
}

const textsOf = (groups: ReturnType<typeof grouped>, group: string) =>
  groups.find((one) => one.group === group)?.commands.map((one) => one.text) ?? [];

describe("the palette's commands", () => {
  it("lead to every part of the workspace that is open, and say what cannot be done with it", () => {
    const gone: string[] = [];
    const commands = commandsOf(scope(open, gone));
    const here = textsOf(grouped(commands, "", []), "here");
    for (const part of ["Terminal", "Files", "Overview", "Packages", "Metrics", "Logs", "Settings", "Stop"])
      expect(here, part).toContain(part);
    commands.find((one) => one.id === "metrics-ws-1")?.run();
    expect(gone).toEqual(["/workspaces/ws-1/metrics"]);
    expect(commands.find((one) => one.id === "start-ws-1")?.reason).toBe("It is running.");
    expect(commands.find((one) => one.id === "start-ws-2")?.reason).toBeUndefined();
    expect(commands.find((one) => one.id === "terminal-ws-2")?.reason).toBe("It does not run.");
  });

  it("open the pages that answer in a running workspace", () => {
    applyLive(new QueryClient(), [openEvent("ws-1", 0, [3000, 5173]), openEvent("ws-2", 0, [8000])]);
    const texts = commandsOf(scope(other)).map((one) => one.text);
    expect(texts.filter((one) => one.startsWith("Open port"))).toEqual([
      "Open port 3000 of alpha",
      "Open port 5173 of alpha",
    ]);
    applyLive(new QueryClient(), [openEvent("ws-1", 0, [])]);
    expect(commandsOf(scope(open)).some((one) => one.text.startsWith("Open port"))).toBe(false);
  });

  it("stand in groups, what was done last first, and the many only once something is typed", () => {
    const commands = commandsOf(scope(open));
    const groups = grouped(commands, "", ["metrics-ws-1", "gone", "start-ws-1"]);
    expect(groups.map((one) => one.group)).toEqual([
      "recent",
      "here",
      "workspaces",
      "actions",
      "pages",
      "look",
    ]);
    expect(textsOf(groups, "recent")).toEqual(["Metrics"]);
    expect(textsOf(groups, "here")).not.toContain("Metrics");
    expect(textsOf(groups, "workspaces")).toEqual(["Go to alpha", "Go to beta"]);
    const typed = grouped(commands, "start beta", ["metrics-ws-1"]);
    expect(typed.map((one) => one.group)).toEqual(["workspaces"]);
    expect(textsOf(typed, "workspaces")).toEqual(["Start beta"]);
  });

  it("are all different", () => {
    const ids = commandsOf(scope(null)).map((one) => one.id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
