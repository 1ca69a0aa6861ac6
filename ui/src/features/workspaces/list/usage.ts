import { useEffect } from "react";
import { lastUsage, type Open, useOpen, useUsage, useWatch, watch } from "../../../api/live";
import type { Metrics, Workspace } from "../../../api/types";

/** The last figures of a workspace that are known; null for one that does not run. */
export const usageOf = ({ id, status, usage }: Workspace): Metrics | null =>
  status === "running" ? (lastUsage(id)?.metrics ?? usage ?? null) : null;

/** As `usageOf`, followed while the caller is shown. */
export function useListUsage({ id, status, usage }: Workspace): Metrics | null {
  const told = useUsage(id);
  return status === "running" ? (told?.metrics ?? usage ?? null) : null;
}

/** Has figures and open things of a row told while it is shown. */
export const useRowWatch = ({ id, status }: Workspace): void => useWatch("usage", id, status === "running");

/** What is open in a workspace; null where that is not known. */
export function useRowOpen({ id, status }: Workspace): Open | null {
  const open = useOpen(id);
  return status === "running" ? open : null;
}

/** So many can be watched at once. */
export const WATCHABLE = 200;

/** Has the figures of all told, also of those that are out of sight: an order by use needs them. */
export function useWatchAll(workspaces: readonly Workspace[], isWanted: boolean): void {
  const ids =
    isWanted && workspaces.length <= WATCHABLE
      ? workspaces.flatMap((one) => (one.status === "running" ? [one.id] : [])).join(" ")
      : "";
  useEffect(() => {
    const ends = ids.split(" ").flatMap((id) => (id ? [watch("usage", id)] : []));
    return () => {
      for (const end of ends) end();
    };
  }, [ids]);
}
