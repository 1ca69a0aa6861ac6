import type { Phase, PhaseTime, Progress } from "../../api/types";

/** In order; the last is where all of them lead. */
export const PHASES: readonly Phase[] = ["evaluate", "fetch", "build", "volume", "boot", "ready"];

export type PhaseState = "done" | "now" | "waiting";

export function phaseState(phase: Phase, progress: Pick<Progress, "phase"> | null): PhaseState {
  if (!progress) return "waiting";
  const difference = PHASES.indexOf(phase) - PHASES.indexOf(progress.phase);
  if (difference < 0 || progress.phase === "ready") return "done";
  return difference === 0 ? "now" : "waiting";
}

/** 0 to 1 over all phases; a phase that cannot tell how far it is counts a little. */
export function overallFraction(progress: Pick<Progress, "phase" | "fraction">): number {
  const last = PHASES.length - 1;
  const index = PHASES.indexOf(progress.phase);
  return Math.min(1, (index + (index < last ? (progress.fraction ?? 0.3) : 0)) / last);
}

/** The phases that a piece of work goes through: one that begins later (a start boots only) has no earlier ones. */
export function phasesOf(times: readonly PhaseTime[]): readonly Phase[] {
  const [first] = times;
  return first ? PHASES.slice(PHASES.indexOf(first.phase)) : PHASES;
}

/** How long something took or has taken till `now`, in milliseconds; clocks of two machines never quite agree. */
export const lasted = ({ started_at, ended_at }: PhaseTime, now: number): number =>
  Math.max(0, (ended_at ? Date.parse(ended_at) : now) - Date.parse(started_at));

/** How long all phases took together; null while one is worked on, or where the last work did not succeed. */
export function tookInAll(times: readonly PhaseTime[]): number | null {
  const [first, last] = [times[0], times.at(-1)];
  if (!first || last?.phase !== "ready") return null;
  return lasted({ ...first, ended_at: last.ended_at }, 0);
}
