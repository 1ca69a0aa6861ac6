import type { Generation } from "../../../../api/types";

/** What a generation has that the one before it had not, and the reverse. */
export interface GenerationChange {
  added: readonly string[];
  removed: readonly string[];
  /** The template it went over to; null where it stayed. */
  template: string | null;
  openedPorts: readonly number[];
  closedPorts: readonly number[];
}

const without = <T>(all: readonly T[], others: readonly T[]): T[] =>
  all.filter((one) => !others.includes(one));

/** The number of the generation that was built before one; null for the first. */
export function numberBefore(generation: Generation, all: readonly Generation[]): number | null {
  const numbers = all.map(({ number }) => number).filter((one) => one < generation.number);
  return numbers.length > 0 ? Math.max(...numbers) : null;
}

/** How a generation differs from the one built before it; null for the first. `all` may come in any order. */
export function changeOf(generation: Generation, all: readonly Generation[]): GenerationChange | null {
  const before = all.find(({ number }) => number === numberBefore(generation, all));
  if (!before) return null;
  return {
    added: without(generation.packages, before.packages),
    removed: without(before.packages, generation.packages),
    template: generation.template === before.template ? null : generation.template,
    openedPorts: without(generation.ports, before.ports),
    closedPorts: without(before.ports, generation.ports),
  };
}

export const isNothing = (change: GenerationChange): boolean =>
  change.template === null &&
  [change.added, change.removed, change.openedPorts, change.closedPorts].every((one) => one.length === 0);
