const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/** Milliseconds to wait before attempt number `attempt` (0 is the first retry), spread by `random` in [0, 1). */
export function backoff(attempt: number, random: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(full * (0.75 + random / 4));
}
