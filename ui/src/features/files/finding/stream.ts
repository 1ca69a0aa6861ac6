import { ApiError, send, workspacePath } from "../../../api/client";
import { inQuery } from "../paths";

export interface FoundLine {
  path: string;
  line?: number;
  text?: string;
}

/** How a search ended. */
export interface SearchEnd {
  tool: "ripgrep" | "grep" | "find";
  count: number;
  complete: boolean;
  bound: "limit" | "time" | null;
}

interface Failed {
  error: { code: string; message: string };
}

/** The lines of an answer as they come, in the groups in which they come. */
export async function* linesOf<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T[]> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const whole = (rest + value).split("\n");
    rest = whole.pop() ?? "";
    if (whole.length > 0) yield whole.map((line) => JSON.parse(line) as T);
  }
}

interface SearchOptions {
  /** Encoded. */
  directory: string;
  query: Record<string, string>;
  signal: AbortSignal;
  onFound: (found: FoundLine[]) => void;
}

/** Runs a search in a workspace until it ends; rejects with what went wrong, also when it breaks off. */
export async function streamed(
  workspaceId: string,
  what: "files-search" | "files-names",
  { directory, query, signal, onFound }: SearchOptions,
): Promise<SearchEnd> {
  const rest = new URLSearchParams(query).toString();
  const url = `${workspacePath(workspaceId, what)}?path=${inQuery(directory)}&${rest}`;
  const { body } = await send("GET", url, { signal });
  let end: SearchEnd | null = null;
  if (body) {
    try {
      for await (const lines of linesOf<FoundLine | SearchEnd | Failed>(body)) {
        const found: FoundLine[] = [];
        for (const line of lines) {
          if ("error" in line) throw new ApiError(0, line.error.code, line.error.message);
          if ("tool" in line) end = line;
          else found.push(line);
        }
        if (found.length > 0) onFound(found);
      }
    } catch (failure) {
      if (failure instanceof ApiError || signal.aborted) throw failure;
      end = null;
    }
  }
  if (!end) throw new ApiError(0, "offline", "The service does not answer.");
  return end;
}
