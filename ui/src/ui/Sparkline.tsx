import { sparkPath } from "./sparkPath";

const WIDTH = 120;
const HEIGHT = 24;

/** The last values of a figure in percent, newest at the right; null is a gap. */
export function Sparkline({ values, label }: { values: readonly (number | null)[]; label: string }) {
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={label}
      preserveAspectRatio="none"
    >
      <path d={sparkPath(values, WIDTH, HEIGHT)} />
    </svg>
  );
}
