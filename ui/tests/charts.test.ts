import { describe, expect, it } from "vitest";
import type { MetricsSeries } from "../src/api/types";
import { chartPath, pointAt } from "../src/features/workspaces/detail/metrics/chartPath";
import { marksOf, pointsOf, topFor } from "../src/features/workspaces/detail/metrics/figureCharts";

const frame = { begin: 0, end: 100, step: 10 };
const points = (...all: [number, number][]) => all.map(([at, value]) => ({ at, value }));

describe("chartPath", () => {
  it("runs from the frame's begin to its end, zero at the bottom", () => {
    expect(chartPath(points([0, 0], [20, 50], [40, 100]), frame, 100, 10)).toBe(
      "M0.0 10.0L20.0 5.0L40.0 0.0",
    );
  });

  it("shows a gap as a gap, and a point on its own as a dot", () => {
    expect(chartPath(points([0, 0], [10, 0], [50, 0], [90, 0]), frame, 100, 10)).toBe(
      "M0.0 10.0L10.0 10.0M50.0 10.0h0M90.0 10.0h0",
    );
  });

  it("leaves out what is outside of the frame and keeps figures within it", () => {
    expect(chartPath(points([-10, 5], [50, 180], [60, -3], [110, 5]), frame, 100, 10)).toBe(
      "M50.0 0.0L60.0 10.0",
    );
    expect(chartPath([], frame, 100, 10)).toBe("");
  });
});

describe("topFor", () => {
  it("is a round value that nothing goes beyond", () => {
    expect(topFor(0, "percent")).toBe(10);
    expect(topFor(10, "percent")).toBe(10);
    expect(topFor(10.1, "percent")).toBe(25);
    expect(topFor(51, "percent")).toBe(100);
    expect(topFor(0, "bytes")).toBe(1024);
    expect(topFor(1025, "bytes")).toBe(2048);
    expect(topFor(1024 * 700, "bytes")).toBe(1024 * 1000);
    expect(topFor(11, "count")).toBe(20);
    for (const most of [3, 99, 12345, 6.5e9]) expect(topFor(most, "bytes")).toBeGreaterThanOrEqual(most);
  });
});

const series = {
  begin: "2026-01-05T10:00:00Z",
  end: "2026-01-05T11:00:00Z",
  at: ["2026-01-05T10:00:00Z", "2026-01-05T10:00:10Z", "2026-01-05T10:30:00Z"],
  figures: {
    pressure_cpu: { mean: [0.5, null, 0.25] },
    starts: { mean: [0, 0, 0], total: [0, 0, 1] },
    oom_kills: { mean: [0, 0, 0], total: [0, 2, 0] },
  },
} as unknown as MetricsSeries;

describe("series", () => {
  it("makes points of what was told, and leaves out the rest", () => {
    expect(pointsOf(series, { figure: "pressure_cpu", label: "metrics.cpu", factor: 100 })).toEqual([
      { at: Date.parse(series.at[0]!), value: 50 },
      { at: Date.parse(series.at[2]!), value: 25 },
    ]);
    expect(pointsOf(series, { figure: "gone", label: "metrics.cpu" })).toEqual([]);
  });

  it("marks starts, lack of memory and rebuilds within its time", () => {
    const marks = marksOf(series, ["2026-01-05T09:00:00Z", "2026-01-05T10:20:00Z"]);
    expect(marks.map(({ kind }) => kind)).toEqual(["oom", "rebuild", "start"]);
  });
});

describe("pointAt", () => {
  const all = points([10, 1], [20, 2], [90, 9]);
  it("finds the nearest point, and none in a gap", () => {
    expect(pointAt(all, frame, 0.16)).toEqual({ at: 20, value: 2 });
    expect(pointAt(all, frame, 1)).toEqual({ at: 90, value: 9 });
    expect(pointAt(all, frame, 0.55)).toBeNull();
    expect(pointAt([], frame, 0.5)).toBeNull();
  });
});
