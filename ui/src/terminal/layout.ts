/** Which terminals stand in which tab: each tab holds one or more, side by side. */
export type Layout = readonly (readonly string[])[];

export const isLayout = (value: unknown): value is Layout =>
  Array.isArray(value) &&
  value.every((tab) => Array.isArray(tab) && tab.every((id) => typeof id === "string"));

/** The layout with exactly the terminals that there are: ended ones leave it, unknown ones get a tab of their own. */
export function reconciled(layout: Layout, ids: readonly string[]): Layout {
  const there = new Set(ids);
  const seen = new Set<string>();
  const kept = layout
    .map((tab) => tab.filter((id) => there.has(id) && !seen.has(id) && seen.add(id)))
    .filter((tab) => tab.length > 0);
  return [...kept, ...ids.filter((id) => !seen.has(id)).map((id) => [id])];
}

/** The layout with a new terminal beside another one; in a tab of its own where that one is not found. */
export function withSplit(layout: Layout, beside: string, id: string): Layout {
  if (!layout.some((tab) => tab.includes(beside))) return [...layout, [id]];
  return layout.map((tab) =>
    tab.includes(beside) ? tab.flatMap((one) => (one === beside ? [one, id] : [one])) : tab,
  );
}

/** The tab that holds a terminal, or the last one; empty if there is none. */
export function tabOf(layout: Layout, id: string | undefined): readonly string[] {
  return layout.find((tab) => id !== undefined && tab.includes(id)) ?? layout.at(-1) ?? [];
}
