import type { Phase, Progress } from "../api/types";

/** In order; the last is where all of them lead. */
export const PHASES: readonly Phase[] = ["evaluate", "fetch", "build", "volume", "boot", "ready"];

export type PhaseState = "done" | "now" | "waiting";

export function phaseState(phase: Phase, progress: Progress | null): PhaseState {
  if (!progress) return "waiting";
  const difference = PHASES.indexOf(phase) - PHASES.indexOf(progress.phase);
  if (difference < 0 || progress.phase === "ready") return "done";
  return difference === 0 ? "now" : "waiting";
}

/** 0 to 1 over all phases; a phase that cannot tell how far it is counts a little. */
export function overallFraction(progress: Progress): number {
  const last = PHASES.length - 1;
  const index = PHASES.indexOf(progress.phase);
  return Math.min(1, (index + (index < last ? (progress.fraction ?? 0.3) : 0)) / last);
}
