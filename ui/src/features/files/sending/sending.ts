import { ApiError, proven, request, send, workspacePath } from "../../../api/client";
import { backoff } from "../../../shared/backoff";
import { fileUrl } from "../api";
import { rawBytes } from "../paths";

export interface SendOptions {
  /** Whether it may take the place of what is there. */
  replaces: boolean;
  signal: AbortSignal;
  onProgress: (sent: number) => void;
  /** Addresses of uploads that broke off; entries are made and removed here. */
  resume: Map<number, string>;
  key: number;
  /** It has been noted where the bytes go on. */
  onResume?: () => void;
}

/** Sends one file; rejects with `ApiError` (status 412: something is there) or when aborted. */
export type SendFile = (workspaceId: string, path: string, file: File, options: SendOptions) => Promise<void>;

/** The reason of an abort after which the upload is to go on some time. */
export const PAUSED = "paused";

/** Up to this size one request is cheaper than being able to go on. */
const SMALL_BYTES = 4 << 20;
const CHUNK_BYTES = 16 << 20;
const TRIES = 8;
const TUS = { "Tus-Resumable": "1.0.0" };

interface Sent {
  status: number;
  header: (name: string) => string | null;
}

type Watching = Pick<SendOptions, "signal"> & { onProgress: (sent: number) => void };

/** One request whose body's progress can be seen: the only browser interface that tells is the old one. */
function xhr(
  method: string,
  url: string,
  headers: Record<string, string>,
  body: Blob,
  options: Watching,
): Promise<Sent> {
  return proven((proof) => xhrOnce(method, url, { ...headers, ...proof }, body, options));
}

function xhrOnce(
  method: string,
  url: string,
  headers: Record<string, string>,
  body: Blob,
  options: Watching,
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const http = new XMLHttpRequest();
    http.open(method, url);
    for (const [name, value] of Object.entries(headers)) http.setRequestHeader(name, value);
    http.upload.addEventListener("progress", (event) => options.onProgress(event.loaded));
    http.addEventListener("error", () => reject(new ApiError(0, "offline", "The service does not answer.")));
    http.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    http.addEventListener("load", () => {
      if (http.status < 300) resolve({ status: http.status, header: (name) => http.getResponseHeader(name) });
      else reject(refusalOf(http));
    });
    options.signal.addEventListener("abort", () => http.abort());
    http.send(body);
  });
}

function refusalOf(http: XMLHttpRequest): ApiError {
  try {
    const { error } = JSON.parse(http.responseText) as { error: { code: string; message: string } };
    return new ApiError(http.status, error.code, error.message);
  } catch {
    return new ApiError(http.status, `http_${http.status}`, http.statusText || `HTTP ${http.status}`);
  }
}

/** Small files go in one request; large ones by tus, which goes on where it broke off. */
export const sendFile: SendFile = async (workspaceId, path, file, options) => {
  if (file.size <= SMALL_BYTES) {
    const headers = {
      "Content-Type": "application/octet-stream",
      ...(!options.replaces && { "If-None-Match": "*" }),
    };
    await xhr("PUT", fileUrl(workspaceId, path), headers, file, options);
    return;
  }
  const url = options.resume.get(options.key) ?? (await begin(workspaceId, path, file, options));
  options.resume.set(options.key, url);
  options.onResume?.();
  try {
    await sendRest(url, file, options);
    options.resume.delete(options.key);
  } catch (failure) {
    // What was given up, or is not there any more, cannot go on.
    const isGone = failure instanceof ApiError && (failure.status === 404 || failure.status === 410);
    if (isGone || (options.signal.aborted && options.signal.reason !== PAUSED))
      options.resume.delete(options.key);
    throw failure;
  }
};

async function begin(workspaceId: string, path: string, file: File, options: SendOptions): Promise<string> {
  const target = btoa(String.fromCharCode(...rawBytes(path)));
  const response = await send("POST", workspacePath(workspaceId, "uploads"), {
    headers: {
      ...TUS,
      "Upload-Length": String(file.size),
      "Upload-Metadata": `path ${target}`,
      ...(!options.replaces && { "If-None-Match": "*" }),
    },
    signal: options.signal,
  });
  return response.headers.get("Location") ?? "";
}

/** Sends what is missing, asking how far it got after each break, until it is all there or breaks keep coming. */
async function sendRest(url: string, file: File, options: SendOptions): Promise<void> {
  const abandon = () => void request("DELETE", url, { headers: TUS }).catch(() => undefined);
  for (let attempt = 0; ;) {
    try {
      const before = await send("HEAD", url, { headers: TUS, signal: options.signal });
      let offset = Number(before.headers.get("Upload-Offset"));
      while (offset < file.size) {
        const start = offset;
        const headers = {
          ...TUS,
          "Content-Type": "application/offset+octet-stream",
          "Upload-Offset": String(start),
        };
        const chunk = file.slice(start, start + CHUNK_BYTES);
        const onProgress = (sent: number) => options.onProgress(start + sent);
        const answer = await xhr("PATCH", url, headers, chunk, { signal: options.signal, onProgress });
        offset = Number(answer.header("Upload-Offset"));
        attempt = 0;
      }
      return;
    } catch (failure) {
      if (options.signal.aborted) {
        if (options.signal.reason !== PAUSED) abandon();
        throw failure;
      }
      attempt += 1;
      if (!(failure instanceof ApiError) || !failure.isOffline || attempt > TRIES) throw failure;
      await new Promise((resolve) => setTimeout(resolve, backoff(attempt, Math.random())));
    }
  }
}
