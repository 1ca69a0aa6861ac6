import { describe, expect, it } from "vitest";
import { chartPath, pointAt, topOf } from "../src/features/workspaces/detail/chartPath";

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

describe("topOf", () => {
  it("is a round percentage that nothing goes beyond", () => {
    expect(topOf([])).toBe(10);
    expect(topOf(points([0, 3], [1, 10]))).toBe(10);
    expect(topOf(points([0, 10.1]))).toBe(25);
    expect(topOf(points([0, 51], [1, 2]))).toBe(100);
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
