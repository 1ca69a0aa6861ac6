import { describe, expect, it } from "vitest";
import { abilitiesOf, hasAccount, mayCreate, wakeVerb } from "../src/api/abilities";
import { tabsFor } from "../src/features/workspaces/detail/WorkspaceHead";
import { STATUSES } from "../src/api/types";
import { en } from "./english";

const rightsOf = (role: string) => [mayCreate({ name: "ann", role }), hasAccount({ name: "ann", role })];
const SESSION = { name: "ann", role: "user" };

describe("abilitiesOf", () => {
  it("lets do what the service would do, and says of the rest why not", () => {
    const running = abilitiesOf({ status: "running" }, SESSION);
    expect([running.stop, running.restart, running.pause, running.terminal]).toEqual([
      null,
      null,
      null,
      null,
    ]);
    expect(running.start).toBe("cannot.running");
    expect(running.cancel).toBe("cannot.running");
    const stopped = abilitiesOf({ status: "stopped" }, SESSION);
    expect([stopped.start, stopped.delete, stopped.settings]).toEqual([null, null, null]);
    expect([stopped.stop, stopped.terminal, stopped.files]).toEqual(Array(3).fill("cannot.stopped"));
    expect(abilitiesOf({ status: "creating" }, SESSION).cancel).toBeNull();
    expect(abilitiesOf({ status: "deleting" }, SESSION).delete).toBe("cannot.deleting");
  });

  it("has a text for every reason", () => {
    const reasons = STATUSES.flatMap((status) => Object.values(abilitiesOf({ status }, SESSION)));
    for (const reason of reasons) expect(reason === null || reason in en, String(reason)).toBe(true);
    expect(abilitiesOf({ status: "running" }, null).stop).toBe("cannot.signedOut");
  });

  it("know who makes workspaces, and who has an account", () => {
    expect(["admin", "member", "auditor", "guest"].map(rightsOf)).toEqual([
      [true, true],
      [true, true],
      [false, true],
      [false, false],
    ]);
  });

  it("names the verb that makes it run", () => {
    expect(STATUSES.map((status) => wakeVerb(status))).toEqual([
      null,
      null,
      null,
      "resume",
      null,
      "start",
      "start",
      null,
    ]);
  });
});

describe("the tabs of a workspace", () => {
  it("are those that are not refused", () => {
    expect(tabsFor("owner", "member")).toContain("secrets");
    expect(tabsFor("editor", "member")).not.toContain("secrets");
    expect(tabsFor("viewer", "member")).toEqual([
      "overview",
      "terminal",
      "ports",
      "packages",
      "network",
      "metrics",
      "logs",
    ]);
    expect(tabsFor("watcher", "guest")).toEqual(["overview", "terminal"]);
    expect(tabsFor("visitor", "member")).toEqual(["overview"]);
    expect(tabsFor("none", "auditor")).toEqual(["overview", "metrics"]);
    expect(tabsFor("none", "admin")).toContain("settings");
  });
});
