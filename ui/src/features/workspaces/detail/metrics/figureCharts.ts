import type { MetricsSeries } from "../../../../api/types";
import { bytes, number, percent } from "../../../../shared/format";
import type { Point } from "./chartPath";

/** One line of a chart: a figure of the service, and what its values are multiplied with to be shown. */
interface Line {
  figure: string;
  label: ChartWord;
  factor?: number;
}

type ChartWord =
  | "metrics.received"
  | "metrics.sent"
  | "metrics.read"
  | "metrics.written"
  | "metrics.cpu"
  | "metrics.memory"
  | "metrics.io"
  | "metrics.processes"
  | "metrics.storage";

export interface FigureChart {
  label: `metrics.chart.${"cpu" | "memory" | "storage" | "network" | "disk" | "pressure" | "processes"}`;
  lines: readonly Line[];
  /** Values in percent have 100 as their most; others as much as there is. */
  unit: "percent" | "bytes" | "count";
}

export const CHARTS: readonly FigureChart[] = [
  { label: "metrics.chart.cpu", unit: "percent", lines: [{ figure: "cpu_usage", label: "metrics.cpu" }] },
  {
    label: "metrics.chart.memory",
    unit: "percent",
    lines: [{ figure: "memory_usage", label: "metrics.memory" }],
  },
  {
    label: "metrics.chart.storage",
    unit: "percent",
    lines: [{ figure: "storage_usage", label: "metrics.storage" }],
  },
  {
    label: "metrics.chart.network",
    unit: "bytes",
    lines: [
      { figure: "network_received", label: "metrics.received" },
      { figure: "network_sent", label: "metrics.sent" },
    ],
  },
  {
    label: "metrics.chart.disk",
    unit: "bytes",
    lines: [
      { figure: "disk_read", label: "metrics.read" },
      { figure: "disk_written", label: "metrics.written" },
    ],
  },
  {
    label: "metrics.chart.pressure",
    unit: "percent",
    lines: [
      { figure: "pressure_cpu", label: "metrics.cpu", factor: 100 },
      { figure: "pressure_memory", label: "metrics.memory", factor: 100 },
      { figure: "pressure_io", label: "metrics.io", factor: 100 },
    ],
  },
  {
    label: "metrics.chart.processes",
    unit: "count",
    lines: [{ figure: "processes", label: "metrics.processes" }],
  },
];

/** A value as it is read. */
export function shown(value: number, unit: FigureChart["unit"], locale: string): string {
  if (unit === "percent") return percent(value, locale, value < 10 ? 1 : 0);
  return unit === "bytes" ? `${bytes(value, locale)}/s` : number(value, locale, 0);
}

const PERCENTS = [10, 25, 50, 100];
const ROUND = [1, 2, 5, 10];

/** The least round value that is not below any of these: what the top of a chart stands for. */
export function topFor(most: number, unit: FigureChart["unit"]): number {
  if (unit === "percent") return PERCENTS.find((top) => most <= top) ?? 100;
  const least = unit === "bytes" ? 1024 : 10;
  if (most <= least) return least;
  const size = 10 ** Math.floor(Math.log10(most / least));
  return least * size * (ROUND.find((one) => most <= least * size * one) ?? 10);
}

/** The means of a figure over time; steps in which it was not told are left out. */
export function pointsOf(series: MetricsSeries, { figure, factor = 1 }: Line): Point[] {
  const means = series.figures[figure]?.mean ?? [];
  return series.at.flatMap((at, index) => {
    const value = means[index];
    return value === null || value === undefined ? [] : [{ at: Date.parse(at), value: value * factor }];
  });
}

export interface Mark {
  at: number;
  kind: "start" | "rebuild" | "oom";
}

/** Starts and lack of memory out of the figures, and rebuilds out of the generations, oldest first. */
export function marksOf(series: MetricsSeries, builtAt: readonly string[]): Mark[] {
  const counted = (figure: string, kind: Mark["kind"]): Mark[] =>
    series.at.flatMap((at, index) =>
      (series.figures[figure]?.total?.[index] ?? 0) > 0 ? [{ at: Date.parse(at), kind }] : [],
    );
  const begin = Date.parse(series.begin);
  const rebuilds = builtAt
    .map((at): Mark => ({ at: Date.parse(at), kind: "rebuild" }))
    .filter(({ at }) => at >= begin && at <= Date.parse(series.end));
  return [...counted("starts", "start"), ...counted("oom_kills", "oom"), ...rebuilds].toSorted(
    (one, other) => one.at - other.at,
  );
}
