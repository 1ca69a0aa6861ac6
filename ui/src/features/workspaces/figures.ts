import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { onGone, type Usage, useUsage, useWatch } from "../../api/live";
import { historyQuery } from "../../api/queries";
import type { Metrics, MetricsHistory, Status } from "../../api/types";
import { Store, useStore } from "../../shared/Store";
import { POINTS } from "../../ui/sparkPath";

/** Figures at one moment; null where none could be had. */
export type Sample = Usage;

const NONE: readonly Sample[] = [];
const stores = new Map<string, Store<readonly Sample[]>>();
onGone((id) => stores.delete(id));

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

/** The present figures of a running workspace and the last ones before, as they are told while the caller is shown. */
export function useFigures(id: string, status: Status): { now: Metrics | null; past: readonly Sample[] } {
  const running = status === "running";
  useWatch("usage", id, running);
  const usage = useUsage(id);
  const store = samplesOf(id);
  const isNew = useStore(store).length === 0;
  const { data: before } = useQuery({
    ...historyQuery(id, "5m"),
    enabled: running && isNew,
    refetchInterval: false,
  });
  useEffect(() => {
    if (before) store.set((samples) => withPast(samples, before));
  }, [store, before]);
  useEffect(() => {
    if (running && usage) store.set((samples) => withSample(samples, usage));
  }, [store, running, usage]);
  return { now: running ? (usage?.metrics ?? null) : null, past: useStore(store) };
}
