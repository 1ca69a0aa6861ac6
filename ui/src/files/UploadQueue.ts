import { ApiError } from "../api/client";
import { reasonOf } from "../api/mutations";
import { Store } from "../shared/Store";
import { makeDirectory } from "./api";
import { joined, parentOf, renamed } from "./paths";
import { PAUSED, type SendFile, sendFile } from "./sending";

export type UploadState = "waiting" | "sending" | "paused" | "conflict" | "done" | "failed" | "cancelled";

/** What is to become of an upload whose name is taken. */
export type Decision = "replace" | "keepBoth" | "skip";

export interface Upload {
  id: number;
  /** Where it goes, encoded. */
  path: string;
  file: File;
  sent: number;
  state: UploadState;
  reason: string;
  /** Whether it may take the place of what is there. */
  replaces: boolean;
}

const AT_ONCE = 3;
const PRECONDITION_FAILED = 412;
const TRIES = 100;
/** Of these something is still to come. */
export const OPEN: ReadonlySet<UploadState> = new Set(["waiting", "sending", "paused", "conflict"]);

/** The uploads of one workspace: a few at a time, each with its progress, its conflicts decided by somebody. */
export class UploadQueue {
  readonly state = new Store<readonly Upload[]>([]);
  readonly workspaceId: string;
  readonly #onChanged: (directory: string) => void;
  readonly #send: SendFile;
  readonly #makeDirectory: (path: string) => Promise<unknown>;
  readonly #aborts = new Map<number, AbortController>();
  readonly #made = new Map<string, Promise<unknown>>();
  /** Where the bytes of broken-off large files go on, by upload. */
  readonly #resume = new Map<number, string>();
  #lastId = 0;

  constructor(
    workspaceId: string,
    onChanged: (directory: string) => void,
    send: SendFile = sendFile,
    make: (path: string) => Promise<unknown> = (path) => makeDirectory(workspaceId, path),
  ) {
    this.workspaceId = workspaceId;
    this.#onChanged = onChanged;
    this.#send = send;
    this.#makeDirectory = make;
  }

  /** Queues files and makes folders that hold none; each name is encoded and relative to the directory. */
  add(
    directory: string,
    files: readonly { name: string; file: File }[],
    emptyFolders: readonly string[] = [],
  ): void {
    // Folders may have been deleted since an earlier batch: they are made again.
    if (!this.state.get().some(({ state }) => OPEN.has(state))) this.#made.clear();
    for (const folder of emptyFolders) this.#prepare(joined(directory, folder), directory);
    const queued = files.map(({ name, file }): Upload => {
      this.#lastId += 1;
      const path = joined(directory, name);
      if (name.includes("/")) this.#prepare(parentOf(path), directory);
      return { id: this.#lastId, path, file, sent: 0, state: "waiting", reason: "", replaces: false };
    });
    this.state.set((all) => [...all.filter((one) => one.state !== "done"), ...queued]);
    this.#pump();
  }

  cancel(id: number): void {
    this.#amend(id, { state: "cancelled" });
    this.#aborts.get(id)?.abort();
    this.#pump();
  }

  /** Gives up everything that is still to come. */
  cancelAll(): void {
    const open = this.state.get().filter(({ state }) => OPEN.has(state));
    const ids = new Set(open.map(({ id }) => id));
    this.state.set((all) => all.map((one) => (ids.has(one.id) ? { ...one, state: "cancelled" } : one)));
    for (const id of ids) this.#aborts.get(id)?.abort();
  }

  /** Stops one for a while; what has arrived of a large file stays there. */
  pause(id: number): void {
    this.#amend(id, { state: "paused" });
    this.#aborts.get(id)?.abort(PAUSED);
    this.#pump();
  }

  /** Goes on with a paused or failed one, where it stopped if that can be. */
  resume(id: number): void {
    this.#amend(id, { state: "waiting", reason: "" });
    this.#pump();
  }

  decide(ids: readonly number[], decision: Decision): void {
    for (const id of ids) {
      if (decision === "replace") this.retry(id, true);
      else if (decision === "keepBoth") this.keepBoth(id);
      else this.cancel(id);
    }
  }

  /** Sends a cancelled one again from its beginning, or one whose name is taken. */
  retry(id: number, replaces: boolean): void {
    this.#amend(id, { state: "waiting", sent: 0, reason: "", replaces });
    this.#pump();
  }

  /** Sends one whose name is taken under a name like it. */
  keepBoth(id: number): void {
    const upload = this.state.get().find((one) => one.id === id);
    if (!upload) return;
    this.#resume.delete(id);
    const directory = parentOf(upload.path);
    const name = upload.path.slice(upload.path.lastIndexOf("/") + 1);
    const taken = new Set(this.state.get().map((one) => one.path));
    for (let number = 2; number < TRIES; number += 1) {
      const path = joined(directory, renamed(name, number));
      if (taken.has(path)) continue;
      this.#amend(id, { path });
      break;
    }
    this.retry(id, false);
  }

  clear(): void {
    this.state.set((all) => all.filter((one) => OPEN.has(one.state)));
  }

  #amend(id: number, change: Partial<Upload>): void {
    this.state.set((all) => all.map((one) => (one.id === id ? { ...one, ...change } : one)));
  }

  /** Makes a directory with those above it, which shows in `base`; each is asked for once. */
  #prepare(directory: string, base: string): void {
    if (this.#made.has(directory)) return;
    const made = this.#makeDirectory(directory).then(
      () => this.#onChanged(base),
      (failure: unknown) => {
        // What is wrong with the directory shows when a file is written into it.
        if (!(failure instanceof ApiError)) throw failure;
      },
    );
    this.#made.set(directory, made);
  }

  #pump(): void {
    const all = this.state.get();
    let free = AT_ONCE - all.filter((one) => one.state === "sending").length;
    for (const upload of all) {
      if (free <= 0) return;
      if (upload.state !== "waiting") continue;
      free -= 1;
      void this.#run(upload);
    }
  }

  async #run(upload: Upload): Promise<void> {
    const { id, path, file, replaces } = upload;
    const abort = new AbortController();
    this.#aborts.set(id, abort);
    this.#amend(id, { state: "sending" });
    const directory = parentOf(path);
    try {
      await this.#made.get(directory);
      await this.#send(this.workspaceId, path, file, {
        replaces,
        resume: this.#resume,
        key: id,
        signal: abort.signal,
        onProgress: (sent) => this.#amend(id, { sent }),
      });
      this.#amend(id, { state: "done", sent: file.size });
      this.#onChanged(directory);
    } catch (failure) {
      // Who aborted it has said what it is now.
      if (abort.signal.aborted) return;
      if (failure instanceof ApiError && failure.status === PRECONDITION_FAILED)
        this.#amend(id, { state: "conflict" });
      else this.#amend(id, { state: "failed", reason: reasonOf(failure) });
    } finally {
      if (this.#aborts.get(id) === abort) this.#aborts.delete(id);
      this.#pump();
    }
  }
}
