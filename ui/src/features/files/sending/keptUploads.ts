import { openPages, pageName } from "../../../shared/page";

/** An upload as it is kept across a reload of the page. */
export interface KeptUpload {
  key: string;
  /** The window that sends it. */
  page: string;
  workspaceId: string;
  path: string;
  base: string;
  size: number;
  modified: number;
  replaces: boolean;
  isPaused: boolean;
  /** Where its bytes go on; empty for one that begins anew. */
  resume: string;
}

const DATABASE = "nixws";
const UPLOADS = "uploads";
const FILES = "files";
/** A larger file is not copied into the browser's storage: it has to be chosen again, and goes on where it was. */
const LARGEST_COPY = 512 << 20;

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error ?? new Error("the storage refused")));
  });
}

let opening: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  if (opening) return opening;
  const request = indexedDB.open(DATABASE, 1);
  request.addEventListener("upgradeneeded", () => {
    request.result.createObjectStore(UPLOADS, { keyPath: "key" });
    request.result.createObjectStore(FILES);
  });
  opening = settled(request);
  return opening;
}

/** Does something in the browser's storage; one that is full or forbidden costs the way back after a reload only. */
async function quietly(act: (uploads: IDBObjectStore, files: IDBObjectStore) => unknown): Promise<void> {
  try {
    const transaction = (await database()).transaction([UPLOADS, FILES], "readwrite");
    await act(transaction.objectStore(UPLOADS), transaction.objectStore(FILES));
  } catch {
    // Leaving the page has asked.
  }
}

/** Where uploads are kept while they are not finished. */
export interface UploadStore {
  put(uploads: readonly { kept: KeptUpload; file: File }[]): void;
  amend(kept: KeptUpload): void;
  remove(keys: readonly string[]): void;
}

/** The browser's own storage. */
export const uploadStore: UploadStore = {
  put: (uploads) =>
    void quietly((records, files) => {
      for (const { kept, file } of uploads) {
        records.put(kept);
        if (file.size <= LARGEST_COPY) files.put(file, kept.key);
      }
    }),
  amend: (kept) => void quietly((records) => records.put(kept)),
  remove: (keys) =>
    void quietly((records, files) => {
      for (const key of keys) {
        records.delete(key);
        files.delete(key);
      }
    }),
};

/** The uploads of this window from before a reload, and those of windows that are gone, with their files. */
export async function takeKeptUploads(): Promise<{ kept: KeptUpload; file: File | null }[]> {
  const open = await openPages();
  const taken: { kept: KeptUpload; file: File | null }[] = [];
  await quietly(async (records, files) => {
    const all = (await settled(records.getAll())) as KeptUpload[];
    const own = all.filter(({ page }) => page === pageName() || (open !== null && !open.has(page)));
    for (const kept of own) {
      records.put({ ...kept, page: pageName() });
      const file = (await settled(files.get(kept.key))) as File | undefined;
      taken.push({ kept: { ...kept, page: pageName() }, file: file ?? null });
    }
  });
  return taken;
}
