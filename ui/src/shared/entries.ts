/** Something that the command palette offers. */
export interface Entry {
  id: string;
  text: string;
  run: () => void;
}

const SHOWN = 50;

/** The entries that hold every word of `text`; those that begin with it first. */
export function matching<T extends Entry>(entries: readonly T[], text: string): T[] {
  const wanted = text.trim().toLowerCase();
  const words = wanted.split(/\s+/).filter(Boolean);
  const first: T[] = [];
  const rest: T[] = [];
  for (const entry of entries) {
    const offered = entry.text.toLowerCase();
    if (words.every((word) => offered.includes(word)))
      (offered.startsWith(wanted) ? first : rest).push(entry);
  }
  return [...first, ...rest].slice(0, SHOWN);
}
