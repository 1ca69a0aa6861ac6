import { type PointerEvent, useState } from "react";
import { useT } from "../../../shared/i18n/messages";
import { percent } from "../../../shared/format";
import { chartPath, type Frame, type Point, pointAt, topOf } from "./chartPath";

const WIDTH = 600;
const HEIGHT = 120;

interface HistoryChartProps {
  label: string;
  /** The present figure; null where there is none. */
  now: number | null;
  points: readonly Point[];
  frame: Frame;
  time: Intl.DateTimeFormat;
}

/** How a figure went; the pointer reads single values, the table beside it all of them. */
export function HistoryChart({ label, now, points, frame, time }: HistoryChartProps) {
  const t = useT();
  const [place, setPlace] = useState<number | null>(null);
  const read = place === null ? null : pointAt(points, frame, place);
  const onMove = (event: PointerEvent<SVGSVGElement>) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    setPlace(Math.min(1, Math.max(0, (event.clientX - left) / width)));
  };
  const top = topOf(points);
  const lines = [top, top / 2, 0];
  const most = points.reduce((highest, { value }) => Math.max(highest, value), 0);
  const x = read && ((read.at - frame.begin) / (frame.end - frame.begin)) * WIDTH;
  const text = read
    ? `${time.format(read.at)} · ${percent(read.value, t.locale)}`
    : now === null
      ? ""
      : percent(now, t.locale);
  return (
    <section className="panel chart-panel">
      <h3>
        {label} <span className="muted">{text}</span>
      </h3>
      <div className="chart">
        <div className="chart-scale" aria-hidden>
          {lines.map((line) => (
            <span key={line}>{percent(line, t.locale, 1)}</span>
          ))}
        </div>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={t("metrics.chart", { label, most: percent(most, t.locale) })}
          onPointerMove={onMove}
          onPointerLeave={() => setPlace(null)}
        >
          {lines.map((line) => (
            <path key={line} className="chart-line" d={`M0 ${(1 - line / top) * HEIGHT}H${WIDTH}`} />
          ))}
          <path className="chart-curve" d={chartPath(points, frame, WIDTH, HEIGHT, top)} />
          {x !== null && <path className="chart-cursor" d={`M${x.toFixed(1)} 0V${HEIGHT}`} />}
        </svg>
        <div className="chart-times" aria-hidden>
          <span>{time.format(frame.begin)}</span>
          <span>{time.format(frame.end)}</span>
        </div>
      </div>
    </section>
  );
}
