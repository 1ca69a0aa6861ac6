import { Store } from "./Store";

export interface Toast {
  id: number;
  kind: "info" | "success" | "error";
  text: string;
  detail?: string | undefined;
  /** Something that can be done about it, once. */
  action?: { label: string; run: () => void } | undefined;
}

const LONGEST = 4;
const SHOWN_MS = 6_000;
let lastId = 0;

export const toasts = new Store<readonly Toast[]>([]);

export function dismiss(id: number): void {
  toasts.set((shown) => shown.filter((toast) => toast.id !== id));
}

/** Tells something; errors stay until they are dismissed or crowded out. */
export function tell(kind: Toast["kind"], text: string, detail?: string): void {
  lastId += 1;
  const id = lastId;
  toasts.set((shown) => [...shown.slice(1 - LONGEST), { id, kind, text, detail }]);
  if (kind !== "error") setTimeout(() => dismiss(id), SHOWN_MS);
}
