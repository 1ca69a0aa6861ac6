import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request, workspacePath } from "../../../../api/client";
import type { components } from "../../../../api/schema";

type Schemas = components["schemas"];

export type Idle = Schemas["IdleDetail"];
export type Schedule = Schemas["ScheduleDetail"];
export type Run = Schemas["RunAnswer"];

/** What works changes without an event; it is asked for this often while somebody looks. */
const LOOK_MS = 5_000;

const idleKey = (id: string) => ["workspace", id, "idle"] as const;
const scheduleKey = (id: string) => ["workspace", id, "schedule"] as const;

export const idleQuery = (id: string) =>
  queryOptions({
    queryKey: idleKey(id),
    queryFn: async ({ signal }) =>
      (await request<{ idle: Idle }>("GET", workspacePath(id, "idle"), { signal })).idle,
    refetchInterval: LOOK_MS,
  });

export const scheduleQuery = (id: string) =>
  queryOptions({
    queryKey: scheduleKey(id),
    queryFn: async ({ signal }) =>
      (await request<{ schedule: Schedule }>("GET", workspacePath(id, "schedule"), { signal })).schedule,
  });

/** The policy as it is asked for; times in whole minutes, null for never. */
export interface WantedRest {
  pause: number | null;
  stop: number | null;
  units: string[];
  /** Hours of every day in which other times hold. */
  quiet: { begin: string; end: string; pause: number | null; stop: number | null } | null;
}

/** The clock of this browser, which new hours and lines of schedules mean. */
export const ownZone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Something that is done to the rest of a workspace. */
export type RestChange = { policy: WantedRest; now: Idle } | "reset" | "hold" | "release";

const minutes = (value: number | null) => (value === null ? null : `${value}m`);

/** Asks that a workspace be left running for two hours. */
export const hold = (id: string) =>
  request<{ idle: Idle }>("POST", workspacePath(id, "hold"), { body: { for: "2h" } });

function ask(id: string, change: RestChange): Promise<{ idle: Idle }> {
  if (change === "hold") return hold(id);
  if (change === "release") return request("DELETE", workspacePath(id, "hold"));
  if (change === "reset") return request("DELETE", workspacePath(id, "idle"));
  const { policy, now } = change;
  const { quiet } = policy;
  const body = {
    ...now.policy,
    pause_after: minutes(policy.pause),
    stop_after: minutes(policy.stop),
    units: policy.units,
    quiet: quiet && {
      begin: quiet.begin,
      end: quiet.end,
      zone: now.policy.quiet?.zone ?? ownZone,
      pause_after: minutes(quiet.pause),
      stop_after: minutes(quiet.stop),
    },
  };
  return request("PUT", workspacePath(id, "idle"), { body });
}

export function useRest(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (change: RestChange) => ask(id, change),
    onSuccess: ({ idle }) => client.setQueryData(idleQuery(id).queryKey, idle),
  });
}

export function useSchedule(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (runs: readonly Run[]) =>
      request<{ schedule: Schedule }>("PUT", workspacePath(id, "schedule"), { body: { runs } }),
    onSuccess: ({ schedule }) => client.setQueryData(scheduleQuery(id).queryKey, schedule),
  });
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** The minutes of a length such as `90m` or `2h`, as a form shows them; empty for never. */
export function minutesOf(length: string | null): string {
  if (length === null) return "";
  const seconds = Number(length.slice(0, -1)) * (SECONDS[length.slice(-1)] ?? 0);
  return String(Math.round((seconds / 60) * 100) / 100);
}

const MOST_MINUTES = 43_200;

/** Whether two typed lengths can be the times of a rest: it is stopped no sooner than paused. */
export const isRest = (pause: number | null | undefined, stop: number | null | undefined): boolean =>
  pause !== undefined && stop !== undefined && (pause === null || stop === null || stop >= pause);

/** The whole minutes that were typed: null for none; undefined for what cannot be. */
export function typedMinutes(text: string): number | null | undefined {
  if (text.trim() === "") return null;
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= MOST_MINUTES ? value : undefined;
}
