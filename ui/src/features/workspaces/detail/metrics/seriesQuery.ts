import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { request } from "../../../../api/client";
import type { MetricsSeries, Span } from "../../../../api/types";

const SECOND = 1000;
const SHOWN: Record<Span, { length: number; step: number; every: number }> = {
  "5m": { length: 300, step: 10, every: 10 },
  "1h": { length: 3600, step: 10, every: 10 },
  "24h": { length: 86_400, step: 300, every: 60 },
  "7d": { length: 7 * 86_400, step: 1800, every: 60 },
};

/** All figures of a workspace until now. */
export const seriesQuery = (id: string, span: Span) =>
  queryOptions({
    queryKey: ["workspace", id, "series", span],
    refetchInterval: SHOWN[span].every * SECOND,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => {
      const { length, step } = SHOWN[span];
      const from = new Date(Date.now() - length * SECOND).toISOString();
      return request<MetricsSeries>("GET", `/api/nixos/workspaces/${encodeURIComponent(id)}/metrics`, {
        query: { from, step },
        signal,
      });
    },
  });
