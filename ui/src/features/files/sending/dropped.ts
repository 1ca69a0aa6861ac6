import { encoded } from "../paths";

export interface NamedFile {
  /** Encoded, relative; holds slashes for files of dropped folders. */
  name: string;
  file: File;
}

/** What was dropped or chosen: files, and folders that hold nothing. */
export interface Dropped {
  files: readonly NamedFile[];
  /** Encoded, relative names. */
  emptyFolders: readonly string[];
}

/** Everything below a dropped file or folder, put into `found`. */
async function collect(
  entry: FileSystemEntry,
  prefix: string,
  found: { files: NamedFile[]; emptyFolders: string[] },
): Promise<void> {
  const name = prefix + encodeURIComponent(entry.name);
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    found.files.push({ name, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  let isEmpty = true;
  for (;;) {
    // A browser gives a hundred at a time, and none when there are no more.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) break;
    isEmpty = false;
    for (const one of some) await collect(one, `${name}/`, found);
  }
  if (isEmpty) found.emptyFolders.push(name);
}

/** What was dropped, that of folders with their relative names. */
export async function dropped(data: DataTransfer): Promise<Dropped> {
  // The items are gone once the event has ended, so all entries are taken first.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) {
    return { files: [...data.files].map((file) => ({ name: encoded(file.name), file })), emptyFolders: [] };
  }
  const found = { files: [] as NamedFile[], emptyFolders: [] as string[] };
  for (const entry of entries) await collect(entry, "", found);
  return found;
}

/** The files that were chosen in the browser's own dialog. */
export const chosenFiles = (files: FileList): NamedFile[] =>
  [...files].map((file) => ({ name: encoded(file.webkitRelativePath || file.name), file }));
