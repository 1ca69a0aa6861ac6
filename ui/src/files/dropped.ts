import { encoded } from "./paths";

export interface NamedFile {
  /** Encoded, relative; holds slashes for files of dropped folders. */
  name: string;
  file: File;
}

/** Everything below a dropped file or folder. */
async function filesOf(entry: FileSystemEntry, prefix: string): Promise<NamedFile[]> {
  const name = prefix + encodeURIComponent(entry.name);
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ name, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: NamedFile[] = [];
  for (;;) {
    // A browser gives a hundred at a time, and none when there are no more.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await filesOf(one, `${name}/`)));
  }
}

/** The files that were dropped, those of folders with their relative names. */
export async function droppedFiles(data: DataTransfer): Promise<NamedFile[]> {
  // The items are gone once the event has ended, so all entries are taken first.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length > 0) return (await Promise.all(entries.map((entry) => filesOf(entry, "")))).flat();
  return [...data.files].map((file) => ({ name: encoded(file.name), file }));
}

/** The files that were chosen in the browser's own dialog. */
export const chosenFiles = (files: FileList): NamedFile[] =>
  [...files].map((file) => ({ name: encoded(file.webkitRelativePath || file.name), file }));
