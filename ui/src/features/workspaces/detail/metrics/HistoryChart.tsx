import { type PointerEvent, useState } from "react";
import { useT } from "../../../../shared/i18n/messages";
import { chartPath, type Frame, type Point, pointAt } from "./chartPath";
import { type FigureChart, type Mark, shown, topFor } from "./figureCharts";

const WIDTH = 600;
const HEIGHT = 120;

export interface Curve {
  label: string;
  points: readonly Point[];
  /** Number of its colour. */
  tone: number;
  /** The same figure of another workspace, for comparing. */
  isOther?: boolean;
}

interface HistoryChartProps {
  label: string;
  /** The present figure; null where there is none. */
  now: number | null;
  curves: readonly Curve[];
  unit: FigureChart["unit"];
  marks: readonly Mark[];
  frame: Frame;
  time: Intl.DateTimeFormat;
}

/** How figures went; the pointer reads single values, the table beside it all of them. */
export function HistoryChart({ label, now, curves, unit, marks, frame, time }: HistoryChartProps) {
  const t = useT();
  const [place, setPlace] = useState<number | null>(null);
  const onMove = (event: PointerEvent<SVGSVGElement>) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    setPlace(Math.min(1, Math.max(0, (event.clientX - left) / width)));
  };
  const read = curves.map(({ points }) => (place === null ? null : pointAt(points, frame, place)));
  const at = read.find((one) => one !== null)?.at ?? null;
  const most = curves.reduce(
    (highest, { points }) => points.reduce((higher, { value }) => Math.max(higher, value), highest),
    0,
  );
  const top = topFor(most, unit);
  const lines = [top, top / 2, 0];
  const across = (moment: number) =>
    (((moment - frame.begin) / (frame.end - frame.begin)) * WIDTH).toFixed(1);
  const present = now === null ? "" : shown(now, unit, t.locale);
  return (
    <section className="panel chart-panel">
      <h3>
        {label} <span className="muted">{at === null ? present : time.format(at)}</span>
      </h3>
      <div className="chart">
        <div className="chart-scale" aria-hidden>
          {lines.map((line) => (
            <span key={line}>{shown(line, unit, t.locale)}</span>
          ))}
        </div>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={t("metrics.chart", { label, most: shown(most, unit, t.locale) })}
          onPointerMove={onMove}
          onPointerLeave={() => setPlace(null)}
        >
          {lines.map((line) => (
            <path key={line} className="chart-line" d={`M0 ${(1 - line / top) * HEIGHT}H${WIDTH}`} />
          ))}
          {marks.map(({ at: moment, kind }) => (
            <path
              key={`${kind} ${moment}`}
              className={`chart-mark chart-mark-${kind}`}
              d={`M${across(moment)} 0V${HEIGHT}`}
            />
          ))}
          {curves.map(({ label: name, points, tone, isOther }) => (
            <path
              key={name}
              className={`chart-curve chart-curve-${tone} ${isOther ? "chart-curve-other" : ""}`}
              d={chartPath(points, frame, WIDTH, HEIGHT, top)}
            />
          ))}
          {at !== null && <path className="chart-cursor" d={`M${across(at)} 0V${HEIGHT}`} />}
        </svg>
        <div className="chart-times" aria-hidden>
          <span>{time.format(frame.begin)}</span>
          <span>{time.format(frame.end)}</span>
        </div>
      </div>
      {(curves.length > 1 || at !== null) && (
        <ul className="chart-legend">
          {curves.map(({ label: name, tone, isOther }, index) => (
            <li key={name} className={`chart-key-${tone} ${isOther ? "chart-key-other" : ""}`}>
              {name}
              {read[index] ? ` ${shown(read[index].value, unit, t.locale)}` : ""}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
