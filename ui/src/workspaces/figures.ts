import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { historyQuery, workspaceQuery } from "../api/queries";
import type { Metrics, MetricsHistory, Status } from "../api/types";
import { Store, useStore } from "../shared/Store";
import { POINTS } from "./sparkPath";

/** Figures at one moment; null where none could be had. */
export interface Sample {
  at: number;
  metrics: Metrics | null;
}

const NONE: readonly Sample[] = [];
const stores = new Map<string, Store<readonly Sample[]>>();

function samplesOf(id: string): Store<readonly Sample[]> {
  let store = stores.get(id);
  if (!store) {
    store = new Store(NONE);
    stores.set(id, store);
  }
  return store;
}

/** The samples with one more; the same moment counts once. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  if (samples.at(-1)?.at === sample.at) return samples;
  return [...samples.slice(1 - POINTS), sample];
}

/** The samples with those that the service has from before the first of them. */
export function withPast(samples: readonly Sample[], history: MetricsHistory): readonly Sample[] {
  const first = samples[0]?.at ?? Number.POSITIVE_INFINITY;
  const past = history.samples
    .map(({ at, ...metrics }): Sample => ({ at: Date.parse(at), metrics }))
    .filter(({ at }) => at < first - history.step * 1000);
  return past.length > 0 ? [...past, ...samples].slice(-POINTS) : samples;
}

const SETTLED_MS = 300;

/** The last figures that are known of a workspace, without asking for any. */
export const useLastFigures = (id: string): readonly Sample[] => useStore(samplesOf(id));

/** Whether the caller has been shown for a moment: what passes by while somebody scrolls or types asks for nothing. */
export function useSettled(): boolean {
  const [isSettled, setIsSettled] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsSettled(true), SETTLED_MS);
    return () => clearTimeout(timer);
  }, []);
  return isSettled;
}

/** The present figures of a running workspace and the last ones before, asked for every `period` ms. */
export function useFigures(
  id: string,
  status: Status,
  period: number,
): { now: Metrics | null; past: readonly Sample[] } {
  const running = status === "running";
  const { data, dataUpdatedAt } = useQuery({ ...workspaceQuery(id, period), enabled: running });
  const store = samplesOf(id);
  const isNew = useStore(store).length === 0;
  const { data: before } = useQuery({
    ...historyQuery(id, "5m"),
    enabled: running && isNew,
    refetchInterval: false,
  });
  const metrics = running ? (data?.metrics ?? null) : null;
  useEffect(() => {
    if (before) store.set((samples) => withPast(samples, before));
  }, [store, before]);
  useEffect(() => {
    if (running && dataUpdatedAt > 0)
      store.set((samples) => withSample(samples, { at: dataUpdatedAt, metrics }));
  }, [store, running, dataUpdatedAt, metrics]);
  return { now: metrics, past: useStore(store) };
}
