import type { Said } from "../shared/i18n/messages";

/** An answer of the service that is not a success, or no answer at all (`code` is then `offline`). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field: string | null = null,
    readonly requestId: string | null = null,
    readonly said: Said | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** The service could not be reached; trying again later may help. */
  get isOffline(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

export interface RequestOptions {
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

const signedOutListeners = new Set<() => void>();

/** Calls `listener` whenever an answer says that the session is over; returns the way to stop that. */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

const answerListeners = new Set<(isThere: boolean) => void>();

/** Tells `listener` whenever the service has answered as wanted, or not at all; returns the way to stop that. */
export function onAnswer(listener: (isThere: boolean) => void): () => void {
  answerListeners.add(listener);
  return () => answerListeners.delete(listener);
}

let word = "";

/** What proves that requests come from this page. */
export interface Proof {
  csrf_token: string;
}

/** Keeps it, as the session's answer tells it. */
export function proveBy(proof: Proof): void {
  word = proof.csrf_token;
}

/** Sends what proves itself, and once more where the session is another one by now. */
export async function proven<T>(attempt: (proof: Record<string, string>) => Promise<T>): Promise<T> {
  try {
    return await attempt({ "X-CSRF-Token": word });
  } catch (failure) {
    if (!(failure instanceof ApiError && failure.code === "csrf_token_wrong")) throw failure;
    proveBy(await request<Proof>("GET", "/api/nixos/session"));
    return attempt({ "X-CSRF-Token": word });
  }
}

function urlOf(path: string, query: RequestOptions["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/** Reads the one error shape; whatever else comes (a proxy's page) becomes an `ApiError` all the same. */
export async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as {
      error: { code: string; message: string; field: string | null; request_id: string; said?: Said | null };
    };
    const { code, message, field, request_id, said } = error;
    return new ApiError(response.status, code, message, field, request_id, said);
  } catch {
    return new ApiError(
      response.status,
      `http_${response.status}`,
      response.statusText || `HTTP ${response.status}`,
    );
  }
}

/** Sends one request with the browser's session; throws `ApiError` for everything but a success. */
export function send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  if (method === "GET" || method === "HEAD") return sendOnce(method, path, options);
  return proven((proof) => sendOnce(method, path, { ...options, headers: { ...options.headers, ...proof } }));
}

async function sendOnce(method: string, path: string, options: RequestOptions): Promise<Response> {
  const headers = new Headers(options.headers);
  const init: RequestInit = { method, headers, credentials: "same-origin", signal: options.signal ?? null };
  if (options.body instanceof Blob) {
    init.body = options.body;
  } else if (options.body !== undefined) {
    headers.set("Content-Type", "application/json");
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(urlOf(path, options.query), init);
  } catch (failure) {
    if (options.signal?.aborted) throw failure;
    for (const listener of answerListeners) listener(false);
    throw new ApiError(0, "offline", "The service does not answer.");
  }
  if (response.ok) {
    for (const listener of answerListeners) listener(true);
    return response;
  }
  if (response.status === 401) for (const listener of signedOutListeners) listener();
  throw await errorOf(response);
}

/** As `send`, and returns the answer's JSON. */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(method, path, options);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Path of a workspace's part; ids come from the address bar, so they are encoded. */
export function workspacePath(id: string, ...rest: string[]): string {
  return ["/api/nixos/workspaces", encodeURIComponent(id), ...rest].join("/");
}
