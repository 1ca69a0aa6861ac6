/** Finding paths by a few letters of them, in their order. */

const SEPARATORS = new Set(["/", "-", "_", ".", " "]);
const IN_NAME = 6;
const AT_WORD = 8;
const IN_ROW = 5;
const SHORTER = 0.05;

/** How well `letters` (lower case) fit a path; null where they are not all there in that order. */
export function score(path: string, letters: string): number | null {
  const lower = path.toLowerCase();
  const name = lower.lastIndexOf("/") + 1;
  // The name counts most: where it holds all letters, the directories are left alone.
  const inName = placed(lower, letters, name, name);
  return inName ?? placed(lower, letters, 0, name);
}

function placed(lower: string, letters: string, start: number, name: number): number | null {
  let at = start - 1;
  let total = 0;
  for (const letter of letters) {
    const next = lower.indexOf(letter, at + 1);
    if (next < 0) return null;
    if (next === at + 1 && at >= start) total += IN_ROW;
    if (next === 0 || SEPARATORS.has(lower[next - 1] ?? "")) total += AT_WORD;
    if (next >= name) total += IN_NAME;
    at = next;
  }
  return total - lower.length * SHORTER;
}

/** The best `most` of the paths for what is typed, best first; all letters count but spaces. */
export function best(paths: readonly string[], typed: string, most: number): string[] {
  const letters = typed.toLowerCase().replaceAll(" ", "");
  if (!letters) return paths.slice(0, most);
  const found: { path: string; points: number }[] = [];
  for (const path of paths) {
    const points = score(path, letters);
    if (points !== null) found.push({ path, points });
  }
  return found
    .toSorted((one, other) => other.points - one.points)
    .slice(0, most)
    .map((one) => one.path);
}
