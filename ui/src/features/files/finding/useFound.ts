import { useEffect, useState } from "react";
import { reasonOf } from "../../../api/mutations";
import { type FoundLine, type SearchEnd, streamed } from "./stream";

export interface Found {
  lines: readonly FoundLine[];
  /** Null while it runs. */
  end: SearchEnd | null;
  problem: string | null;
}

const NOTHING: Found = { lines: [], end: null, problem: null };
let runs = 0;

/**
 * What one search finds, as it comes. Another query, null, or leaving ends it, inside the workspace too; a new `run` does
 * the same search once more.
 */
export function useFound(
  what: "files-search" | "files-names",
  workspaceId: string,
  directory: string,
  query: Record<string, string> | null,
  run = 0,
): Found {
  const key = JSON.stringify({ workspaceId, directory, query, run });
  const [found, setFound] = useState({ ...NOTHING, key: "", id: 0 });
  useEffect(() => {
    const wanted = JSON.parse(key) as {
      workspaceId: string;
      directory: string;
      query: Record<string, string> | null;
    };
    if (!wanted.query) return undefined;
    runs += 1;
    const id = runs;
    const abort = new AbortController();
    const change = (to: (before: Found) => Partial<Found>) => {
      if (abort.signal.aborted) return;
      setFound((before) => {
        const start = before.id === id ? before : { ...NOTHING, key, id };
        return { ...start, ...to(start) };
      });
    };
    streamed(wanted.workspaceId, what, {
      directory: wanted.directory,
      query: wanted.query,
      signal: abort.signal,
      onFound: (more) => change(({ lines }) => ({ lines: [...lines, ...more] })),
    }).then(
      (end) => change(() => ({ end })),
      (failure: unknown) => change(() => ({ problem: reasonOf(failure) })),
    );
    return () => abort.abort();
  }, [what, key]);
  return found.key === key ? found : NOTHING;
}
