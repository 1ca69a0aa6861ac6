/** Puts files into a directory of a workspace (absolute, not encoded) and answers how they are called there. */
export type Uploader = (
  workspaceId: string,
  directory: string,
  data: DataTransfer,
) => Promise<readonly string[]>;

let uploader: Uploader | null = null;

/** Says who uploads; done once, by the application, for those parts that know nothing of files. */
export function setUploader(one: Uploader): void {
  uploader = one;
}

/** Uploads what was dropped; nothing where nobody does that. */
export const upload: Uploader = async (workspaceId, directory, data) =>
  (await uploader?.(workspaceId, directory, data)) ?? [];
