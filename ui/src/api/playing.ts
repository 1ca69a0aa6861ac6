import { use } from "react";
import { DetailContext } from "./detail";

const WATCHING: ReadonlySet<string> = new Set(["reader", "viewer", "typist", "watcher", "visitor"]);

/** Whether the recordings of the workspace in sight are for the caller: what was typed is in them. */
export function useMayPlay(): boolean {
  const detail = use(DetailContext);
  return !detail || !WATCHING.has(detail.relation);
}
