import { describe, expect, it } from "vitest";
import { ApiError } from "../src/api/client";
import type { KeptUpload, UploadStore } from "../src/features/files/sending/keptUploads";
import type { SendFile, SendOptions } from "../src/features/files/sending/sending";
import { UploadQueue } from "../src/features/files/sending/UploadQueue";

interface Sending {
  path: string;
  options: SendOptions;
  done: () => void;
  fail: (failure: unknown) => void;
}

const settle = async () => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
};

function makeQueue() {
  const sendings: Sending[] = [];
  const made: string[] = [];
  const changed: string[] = [];
  const kept = new Map<string, KeptUpload>();
  const store: UploadStore = {
    put: (uploads) => uploads.forEach((one) => kept.set(one.kept.key, one.kept)),
    amend: (one) => kept.set(one.key, one),
    remove: (keys) => keys.forEach((key) => kept.delete(key)),
  };
  const send: SendFile = (_, path, _file, options) =>
    new Promise((resolve, reject) => {
      options.signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      sendings.push({ path, options, done: resolve, fail: reject });
    });
  const queue = new UploadQueue("ws-1", (directory) => changed.push(directory), {
    send,
    makeDirectory: async (path) => made.push(path),
    store,
  });
  const stateOf = (name: string) => queue.state.get().find((one) => one.path.endsWith(name))?.state;
  return { queue, sendings, made, changed, stateOf, kept };
}

const file = (name: string, text = "x") => ({ name, file: new File([text], name) });

describe("UploadQueue", () => {
  it("sends three at a time and tells what has changed", async () => {
    const { queue, sendings, changed, stateOf } = makeQueue();
    queue.add("/home", [file("a"), file("b"), file("c"), file("d")]);
    await settle();
    expect(sendings.map((one) => one.path)).toEqual(["/home/a", "/home/b", "/home/c"]);
    expect(stateOf("/d")).toBe("waiting");
    sendings[0]?.done();
    await settle();
    expect(stateOf("/a")).toBe("done");
    expect(sendings.at(-1)?.path).toBe("/home/d");
    expect(changed).toEqual(["/home"]);
  });

  it("makes the directories of a dropped folder once, before its files", async () => {
    const { queue, made, sendings, changed } = makeQueue();
    queue.add("/home", [file("tree/a"), file("tree/b"), file("tree/deep/c")]);
    await settle();
    expect(made).toEqual(["/home/tree", "/home/tree/deep"]);
    expect(sendings).toHaveLength(3);
    expect(changed).toEqual(["/home", "/home"]);
  });

  it("makes empty folders as well, and those of a later batch again", async () => {
    const { queue, made, sendings } = makeQueue();
    queue.add("/home", [file("tree/a")], ["tree/empty"]);
    await settle();
    expect(made).toEqual(["/home/tree/empty", "/home/tree"]);
    queue.add("/home", [file("tree/b")]);
    await settle();
    expect(made).toHaveLength(2);
    for (const sending of sendings) sending.done();
    await settle();
    queue.add("/home", [file("tree/c")]);
    await settle();
    expect(made).toEqual(["/home/tree/empty", "/home/tree", "/home/tree"]);
  });

  it("gives up everything that is still to come", async () => {
    const { queue, sendings, stateOf } = makeQueue();
    queue.add("/home", [file("a"), file("b"), file("c"), file("d")]);
    await settle();
    sendings[0]?.done();
    await settle();
    queue.cancelAll();
    await settle();
    expect(["/a", "/b", "/c", "/d"].map(stateOf)).toEqual(["done", "cancelled", "cancelled", "cancelled"]);
    expect(sendings).toHaveLength(4);
  });

  it("pauses and goes on with what had arrived, and starts anew after a cancel", async () => {
    const { queue, sendings, stateOf } = makeQueue();
    queue.add("/home", [file("big")]);
    await settle();
    const [first] = sendings;
    first?.options.resume.set(first.options.key, "/uploads/1");
    queue.pause(1);
    await settle();
    expect(stateOf("/big")).toBe("paused");
    expect(first?.options.signal.reason).toBe("paused");
    queue.resume(1);
    await settle();
    expect(stateOf("/big")).toBe("sending");
    expect(sendings[1]?.options.resume.get(1)).toBe("/uploads/1");
    queue.cancel(1);
    await settle();
    expect(stateOf("/big")).toBe("cancelled");
    queue.retry(1, false);
    await settle();
    expect(stateOf("/big")).toBe("sending");
  });

  it("asks about a name that is taken, and does what is decided for all of them", async () => {
    const { queue, sendings, stateOf } = makeQueue();
    queue.add("/home", [file("a.txt"), file("b.txt"), file("c.txt")]);
    await settle();
    for (const one of sendings.splice(0)) one.fail(new ApiError(412, "exists", "It is there."));
    await settle();
    expect([stateOf("/a.txt"), stateOf("/b.txt"), stateOf("/c.txt")]).toEqual(Array(3).fill("conflict"));
    queue.decide([1], "skip");
    queue.decide([2], "keepBoth");
    queue.decide([3], "replace");
    await settle();
    expect(stateOf("/a.txt")).toBe("cancelled");
    expect(sendings.map(({ path, options }) => [path, options.replaces])).toEqual([
      ["/home/b%20(2).txt", false],
      ["/home/c.txt", true],
    ]);
  });

  it("says why one has failed, and keeps what is not finished when it is cleared", async () => {
    const { queue, sendings, stateOf } = makeQueue();
    queue.add("/home", [file("a"), file("b")]);
    await settle();
    sendings[0]?.fail(new ApiError(507, "no_space", "The disk is full."));
    await settle();
    expect(queue.state.get()[0]).toMatchObject({ state: "failed", reason: "The disk is full." });
    queue.pause(2);
    await settle();
    queue.clear();
    expect(queue.state.get().map((one) => one.state)).toEqual(["paused"]);
    expect(stateOf("/a")).toBeUndefined();
  });

  it("waits for a service that is away, and goes on when it is back", async () => {
    const { queue, sendings, stateOf, made } = makeQueue();
    queue.add("/home", [file("tree/a")]);
    await settle();
    sendings[0]?.fail(new ApiError(0, "offline", "The service does not answer."));
    await settle();
    expect(queue.state.get()[0]).toMatchObject({ state: "waiting", reason: "The service does not answer." });
    queue.pump();
    await settle();
    expect(sendings).toHaveLength(2);
    sendings[1]?.done();
    await settle();
    expect(stateOf("/a")).toBe("done");
    expect(made).toEqual(["/home/tree"]);
  });

  it("keeps what is not finished for the page after a reload, where it goes on", async () => {
    const { queue, sendings, kept } = makeQueue();
    queue.add("/home", [file("a"), file("b"), file("c"), file("tree/d")]);
    await settle();
    sendings[0]?.done();
    const [, second] = sendings;
    second?.options.resume.set(second.options.key, "/uploads/2");
    second?.options.onResume?.();
    queue.pause(3);
    await settle();
    expect([...kept.values()].map((one) => [one.path, one.resume, one.isPaused])).toEqual([
      ["/home/b", "/uploads/2", false],
      ["/home/c", "", true],
      ["/home/tree/d", "", false],
    ]);
    const after = makeQueue();
    const there = [...kept.values()].map((one) => ({
      kept: one,
      file: one.isPaused ? null : new File(["x"], "x"),
    }));
    after.queue.takeUp(there);
    await settle();
    expect(after.sendings.map((one) => [one.path, one.options.resume.get(one.options.key)])).toEqual([
      ["/home/b", "/uploads/2"],
      ["/home/tree/d", undefined],
    ]);
    expect(after.made).toEqual(["/home/tree"]);
    expect(after.stateOf("/c")).toBe("missing");
  });

  it("takes a file that was chosen once more for the upload that misses it", async () => {
    const { queue, sendings, stateOf } = makeQueue();
    const again = new File(["x"], "big", { lastModified: 5 });
    const facts = { path: "/home/big", base: "/home", size: 1, modified: 5, replaces: true, isPaused: false };
    const upload = { ...facts, key: "k", page: "p", workspaceId: "ws-1", resume: "/uploads/9" };
    queue.takeUp([{ kept: upload, file: null }]);
    expect(stateOf("/big")).toBe("missing");
    queue.add("/home", [{ name: "big", file: new File(["y"], "big", { lastModified: 6 }) }]);
    queue.add("/home", [{ name: "big", file: again }]);
    await settle();
    expect(queue.state.get()).toHaveLength(2);
    expect(sendings.map((one) => one.options.resume.get(one.options.key))).toEqual([undefined, "/uploads/9"]);
    expect(sendings[1]?.options.replaces).toBe(true);
  });
});
