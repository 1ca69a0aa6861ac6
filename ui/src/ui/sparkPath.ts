/** How many values a sparkline holds. */
export const POINTS = 60;

/** SVG path of values in percent, the newest at the right edge; a null interrupts the line. */
export function sparkPath(values: readonly (number | null)[], width: number, height: number): string {
  const step = width / (POINTS - 1);
  const start = POINTS - values.length;
  let pen: "M" | "L" = "M";
  let path = "";
  for (const [index, value] of values.entries()) {
    if (value === null) {
      pen = "M";
      continue;
    }
    const x = (start + index) * step;
    const y = height - 1 - (Math.min(100, Math.max(0, value)) / 100) * (height - 2);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return path;
}
