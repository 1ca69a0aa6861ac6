/** A figure at a moment, in milliseconds since 1970. */
export interface Point {
  at: number;
  value: number;
}

export interface Frame {
  begin: number;
  end: number;
  /** Milliseconds between two points; where much more is missing, nothing was measured. */
  step: number;
}

const GAP_STEPS = 2.5;

/** SVG path of points within a frame, its top being `top`; a gap in what was measured is a gap in the line. */
export function chartPath(
  points: readonly Point[],
  frame: Frame,
  width: number,
  height: number,
  top = 100,
): string {
  const { begin, end, step } = frame;
  let path = "";
  let before = Number.NEGATIVE_INFINITY;
  let isAlone = false;
  for (const { at, value } of points) {
    if (at < begin || at > end) continue;
    const x = ((at - begin) / (end - begin)) * width;
    const y = height - (Math.min(top, Math.max(0, value)) / top) * height;
    const isNew = at - before > step * GAP_STEPS;
    // A point without neighbours is a line of no length: round ends make a dot of it.
    if (isNew && isAlone) path += "h0";
    path += `${isNew ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isAlone = isNew;
    before = at;
  }
  return isAlone ? `${path}h0` : path;
}

/** The point nearest to a place of the frame, from 0 (its begin) to 1; none where nothing was measured. */
export function pointAt(points: readonly Point[], frame: Frame, place: number): Point | null {
  const wanted = frame.begin + place * (frame.end - frame.begin);
  let found: Point | null = null;
  for (const point of points) {
    if (!found || Math.abs(point.at - wanted) < Math.abs(found.at - wanted)) found = point;
  }
  return found && Math.abs(found.at - wanted) <= frame.step * GAP_STEPS ? found : null;
}
