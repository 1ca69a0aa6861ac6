/** What was typed into files and is not saved: outlives the editor, and, in the browser's storage, the page. */

import type { EditorState, Text } from "@codemirror/state";
import { setWork } from "../../../shared/openWork";
import type { EditorEvents } from "./editorState";
import type { TextForm } from "./lineEnds";
import { baseName, shown } from "../paths";

export interface Draft {
  /** The whole text, as it would be written. */
  text: string;
  form: TextForm;
  /** The version of the file that it began from. */
  etag: string;
  /** When it was last changed, in milliseconds since 1970. */
  at: number;
  /** The editor with what can be undone, as long as the page lives. */
  editor?: { state: EditorState; events: EditorEvents; saved: Text | null };
}

interface StoredDraft extends Omit<Draft, "editor"> {
  workspaceId: string;
  path: string;
}

/** A draft that is made when it is wanted: a key that is typed into a large file does not wait for it. */
interface Known {
  workspaceId: string;
  path: string;
  read: () => Draft;
}

const PREFIX = "nixws.draft.";
const QUIET_MS = 300;
const known = new Map<string, Known>();
const unstored = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;

const keyOf = (workspaceId: string, path: string): string => `${PREFIX}${workspaceId}${path}`;

function store(): void {
  clearTimeout(timer);
  for (const key of unstored) {
    const draft = known.get(key);
    if (!draft) continue;
    const { text, form, etag, at } = draft.read();
    const { workspaceId, path } = draft;
    try {
      localStorage.setItem(key, JSON.stringify({ workspaceId, path, text, form, etag, at }));
    } catch {
      // Too large or forbidden: it lives as long as the page, and leaving that asks.
    }
  }
  unstored.clear();
}

function tell(key: string, { workspaceId, path }: Known): void {
  setWork(key, {
    text: "work.editor",
    name: shown(baseName(path)),
    workspaceId,
    view: "files",
    search: { file: path },
    fraction: null,
    drop: () => dropDraft(workspaceId, path),
  });
}

/** What is unsaved of a file; null if it is as it was read. */
export const draftOf = (workspaceId: string, path: string): Draft | null =>
  known.get(keyOf(workspaceId, path))?.read() ?? null;

/** Keeps what is unsaved of a file; `read` makes it when it is wanted. */
export function keepDraft(workspaceId: string, path: string, read: () => Draft): void {
  const key = keyOf(workspaceId, path);
  const kept = { workspaceId, path, read };
  if (!known.has(key)) tell(key, kept);
  known.set(key, kept);
  unstored.add(key);
  clearTimeout(timer);
  timer = setTimeout(store, QUIET_MS);
}

/** Forgets it: it is saved, or not wanted any more. */
export function dropDraft(workspaceId: string, path: string): void {
  const key = keyOf(workspaceId, path);
  known.delete(key);
  unstored.delete(key);
  localStorage.removeItem(key);
  setWork(key, null);
}

function isStored(value: unknown): value is StoredDraft {
  const draft = value as StoredDraft | null;
  return [draft?.text, draft?.etag, draft?.workspaceId, draft?.path, draft?.form?.end].every(
    (one) => typeof one === "string",
  );
}

/** Takes up what was unsaved when the page was left. */
function takeUp(): void {
  for (const key of Object.keys(localStorage).filter((one) => one.startsWith(PREFIX))) {
    try {
      const draft: unknown = JSON.parse(localStorage.getItem(key) ?? "");
      if (!isStored(draft)) continue;
      const { workspaceId, path } = draft;
      const kept = { workspaceId, path, read: () => draft };
      known.set(key, kept);
      tell(key, kept);
    } catch {
      localStorage.removeItem(key);
    }
  }
}

takeUp();
addEventListener("pagehide", store);
