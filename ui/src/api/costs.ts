import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Costs = Schemas["CostsAnswer"];
export type CostItem = Schemas["CostItem"];
export type Budget = Schemas["BudgetAnswer"];
export type Estimate = Schemas["EstimateDetail"];

const ROOT = "/api/nixos";

export const WINDOWS = ["today", "7d", "30d", "month", "last_month"] as const;
export const GROUPINGS = ["workspace", "owner", "group", "template", "day"] as const;
export const AT_LIMIT = ["notify", "no_new", "stop"] as const;
export type Window = (typeof WINDOWS)[number];
export type Grouping = (typeof GROUPINGS)[number];

export const costsQuery = (window: Window, aggregate: Grouping) =>
  queryOptions({
    queryKey: ["costs", window, aggregate],
    queryFn: ({ signal }) =>
      request<Costs>("GET", `${ROOT}/costs?window=${window}&aggregate=${aggregate}`, { signal }),
    refetchInterval: 60_000,
  });

export const budgetsQuery = queryOptions({
  queryKey: ["budgets"],
  queryFn: ({ signal }) => request<Schemas["BudgetList"]>("GET", `${ROOT}/budgets`, { signal }),
});

export const estimateQuery = (cpu: number, memory: number, storage: number) =>
  queryOptions({
    queryKey: ["costs", "estimate", cpu, memory, storage],
    queryFn: ({ signal }) =>
      request<Schemas["EstimateAnswer"]>("POST", `${ROOT}/costs/estimate`, {
        body: { cpu, memory, storage },
        signal,
      }),
    retry: false,
    staleTime: 60_000,
  });

/** Sets a budget; without an amount it is removed. */
export const setBudget = (subject: string, wanted: { amount: string; at_limit: string } | null) => {
  const path = `${ROOT}/budgets/${encodeURIComponent(subject)}`;
  return wanted ? request<void>("PUT", path, { body: wanted }) : request<void>("DELETE", path);
};

/** The address of a month's export. */
export const exportUrl = (month: string, format: string) =>
  `${ROOT}/costs/export?month=${month}&format=${format}`;
