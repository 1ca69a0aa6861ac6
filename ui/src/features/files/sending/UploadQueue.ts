import { ApiError } from "../../../api/client";
import { reasonOf } from "../../../api/mutations";
import { backoff } from "../../../shared/backoff";
import { pageName } from "../../../shared/page";
import { randomName } from "../../../shared/random";
import { Store } from "../../../shared/Store";
import { makeDirectory } from "../api";
import type { KeptUpload, UploadStore } from "./keptUploads";
import { joined, parentOf, renamed } from "../paths";
import { PAUSED, type SendFile, sendFile } from "./sending";

export type UploadState =
  "waiting" | "sending" | "paused" | "conflict" | "missing" | "done" | "failed" | "cancelled";

/** What is to become of an upload whose name is taken. */
export type Decision = "replace" | "keepBoth" | "skip";

export interface Upload {
  id: number;
  /** What it is called in the browser's storage. */
  key: string;
  /** Where it goes, encoded. */
  path: string;
  /** The directory that it was dropped into; those between are made. */
  base: string;
  /** null after a reload where the browser could not keep it: it has to be chosen again (`missing`). */
  file: File | null;
  size: number;
  /** Milliseconds since 1970. */
  modified: number;
  sent: number;
  state: UploadState;
  reason: string;
  /** Whether it may take the place of what is there. */
  replaces: boolean;
}

interface QueueOptions {
  send?: SendFile;
  makeDirectory?: (path: string) => Promise<unknown>;
  store?: UploadStore;
}

const AT_ONCE = 3;
const PRECONDITION_FAILED = 412;
const TRIES = 100;
const FORGETS: UploadStore = { put: () => undefined, amend: () => undefined, remove: () => undefined };
/** Of these something is still to come. */
export const OPEN: ReadonlySet<UploadState> = new Set([
  "waiting",
  "sending",
  "paused",
  "conflict",
  "missing",
]);

/**
 * The uploads of one workspace: a few at a time, each with its progress, its conflicts decided by somebody. What the
 * service does not take because it is away waits for it; what is not finished is there again after a reload.
 */
export class UploadQueue {
  readonly state = new Store<readonly Upload[]>([]);
  readonly workspaceId: string;
  readonly #onChanged: (directory: string) => void;
  readonly #send: SendFile;
  readonly #makeDirectory: (path: string) => Promise<unknown>;
  readonly #store: UploadStore;
  readonly #aborts = new Map<number, AbortController>();
  readonly #made = new Map<string, Promise<unknown>>();
  /** Where the bytes of broken-off large files go on, by upload. */
  readonly #resume = new Map<number, string>();
  /** Directories that could not be made because the service was away, and where they show. */
  readonly #awaited = new Map<string, string>();
  #lastId = 0;
  #breaks = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(workspaceId: string, onChanged: (directory: string) => void, options: QueueOptions = {}) {
    this.workspaceId = workspaceId;
    this.#onChanged = onChanged;
    this.#send = options.send ?? sendFile;
    this.#makeDirectory = options.makeDirectory ?? ((path) => makeDirectory(workspaceId, path));
    this.#store = options.store ?? FORGETS;
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
    const queued: Upload[] = [];
    for (const { name, file } of files) {
      const path = joined(directory, name);
      if (this.#takesPlace(path, file)) continue;
      if (name.includes("/")) this.#prepare(parentOf(path), directory);
      queued.push(this.#upload(path, directory, file, { size: file.size, modified: file.lastModified }));
    }
    this.state.set((all) => [...all.filter((one) => one.state !== "done"), ...queued]);
    this.#store.put(queued.flatMap((one) => (one.file ? [{ kept: this.#kept(one), file: one.file }] : [])));
    this.pump();
  }

  /** Takes up what another life of the page had not finished. */
  takeUp(uploads: readonly { kept: KeptUpload; file: File | null }[]): void {
    const queued = uploads.map(({ kept, file }): Upload => {
      const upload = this.#upload(kept.path, kept.base, file, kept);
      if (kept.resume) this.#resume.set(upload.id, kept.resume);
      const state = file === null ? "missing" : kept.isPaused ? "paused" : "waiting";
      return { ...upload, key: kept.key, replaces: kept.replaces, state };
    });
    this.state.set((all) => [...all, ...queued]);
    this.pump();
  }

  cancel(id: number): void {
    this.#amend(id, { state: "cancelled" });
    this.#aborts.get(id)?.abort();
    this.pump();
  }

  /** Gives up everything that is still to come. */
  cancelAll = (): void => {
    for (const { id } of this.state.get().filter(({ state }) => OPEN.has(state))) {
      this.#amend(id, { state: "cancelled" });
      this.#aborts.get(id)?.abort();
    }
  };

  /** Stops one for a while; what has arrived of a large file stays there. */
  pause(id: number): void {
    this.#amend(id, { state: "paused" });
    this.#aborts.get(id)?.abort(PAUSED);
    this.pump();
  }

  /** Goes on with a paused or failed one, where it stopped if that can be. */
  resume(id: number): void {
    this.#amend(id, { state: "waiting", reason: "" });
    this.pump();
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
    this.pump();
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
    this.#store.remove(this.state.get().flatMap(({ state, key }) => (state === "failed" ? [key] : [])));
    this.state.set((all) => all.filter((one) => OPEN.has(one.state)));
  }

  #upload(path: string, base: string, file: File | null, facts: { size: number; modified: number }): Upload {
    this.#lastId += 1;
    const { size, modified } = facts;
    const id = this.#lastId;
    return {
      id,
      key: randomName(),
      path,
      base,
      file,
      size,
      modified,
      sent: 0,
      state: "waiting",
      reason: "",
      replaces: false,
    };
  }

  /** Gives a file to the upload that misses it, if there is one. */
  #takesPlace(path: string, file: File): boolean {
    const missing = this.state
      .get()
      .find(
        (one) =>
          one.state === "missing" &&
          one.path === path &&
          one.size === file.size &&
          one.modified === file.lastModified,
      );
    if (!missing) return false;
    this.#amend(missing.id, { file, state: "waiting" });
    return true;
  }

  #kept(upload: Upload): KeptUpload {
    const { key, path, base, size, modified, replaces, state } = upload;
    const { workspaceId } = this;
    const resume = this.#resume.get(upload.id) ?? "";
    return {
      key,
      page: pageName(),
      workspaceId,
      path,
      base,
      size,
      modified,
      replaces,
      isPaused: state === "paused",
      resume,
    };
  }

  #amend(id: number, change: Partial<Upload>): void {
    const before = this.state.get().find((one) => one.id === id);
    if (!before) return;
    const upload = { ...before, ...change };
    this.state.set((all) => all.map((one) => (one.id === id ? upload : one)));
    const isNews = change.state !== undefined || change.path !== undefined || change.replaces !== undefined;
    if (!isNews) return;
    if (OPEN.has(upload.state) || upload.state === "failed") this.#store.amend(this.#kept(upload));
    else this.#store.remove([upload.key]);
  }

  /** Makes a directory with those above it, which shows in `base`; each is asked for once. */
  #prepare(directory: string, base: string): void {
    if (this.#made.has(directory)) return;
    const made = this.#makeDirectory(directory).then(
      () => this.#onChanged(base),
      (failure: unknown) => {
        // What is wrong with the directory shows when a file is written into it.
        if (!(failure instanceof ApiError)) throw failure;
        if (!failure.isOffline) return;
        this.#made.delete(directory);
        this.#awaited.set(directory, base);
        this.#pumpLater();
      },
    );
    this.#made.set(directory, made);
  }

  /** Sends what waits; to be called also when the service is back. */
  pump = (): void => {
    for (const [directory, base] of this.#awaited) {
      this.#awaited.delete(directory);
      this.#prepare(directory, base);
    }
    const all = this.state.get();
    let free = AT_ONCE - all.filter((one) => one.state === "sending").length;
    for (const upload of all) {
      if (free <= 0) return;
      if (upload.state !== "waiting") continue;
      free -= 1;
      void this.#run(upload);
    }
  };

  async #run(upload: Upload): Promise<void> {
    const { id, path, file, replaces } = upload;
    if (!file) return;
    const abort = new AbortController();
    this.#aborts.set(id, abort);
    this.#amend(id, { state: "sending", reason: "" });
    const directory = parentOf(path);
    if (directory !== upload.base) this.#prepare(directory, upload.base);
    let isAway = false;
    try {
      await this.#made.get(directory);
      await this.#send(this.workspaceId, path, file, {
        replaces,
        resume: this.#resume,
        onResume: () => this.#amend(id, { state: "sending" }),
        key: id,
        signal: abort.signal,
        onProgress: (sent) => this.#amend(id, { sent }),
      });
      this.#breaks = 0;
      this.#amend(id, { state: "done", sent: upload.size });
      this.#onChanged(directory);
    } catch (failure) {
      // Who aborted it has said what it is now.
      if (abort.signal.aborted) return;
      isAway = failure instanceof ApiError && failure.isOffline;
      if (isAway) this.#amend(id, { state: "waiting", reason: reasonOf(failure) });
      else if (failure instanceof ApiError && failure.status === PRECONDITION_FAILED)
        this.#amend(id, { state: "conflict" });
      else this.#amend(id, { state: "failed", reason: reasonOf(failure) });
    } finally {
      if (this.#aborts.get(id) === abort) this.#aborts.delete(id);
      if (isAway) this.#pumpLater();
      else this.pump();
    }
  }

  #pumpLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.pump, backoff(this.#breaks, Math.random()));
    this.#breaks += 1;
  }
}
