import { describe, expect, it } from "vitest";
import { type BarKey, typedBy, withControl } from "../src/features/terminal/pane/barKeys";
import { type Sample, withPast } from "../src/features/workspaces/figures";

describe("the key bar", () => {
  it("types what a keyboard would, arrows as the program wants them", () => {
    expect(typedBy("Escape", false)).toBe("\u001b");
    expect(typedBy("Tab", true)).toBe("\t");
    expect(typedBy("Up", false)).toBe("\u001b[A");
    expect(typedBy("Left", true)).toBe("\u001bOD");
    expect(["Home", "End", "PageUp", "|", "~"].map((key) => typedBy(key as BarKey, false))).toEqual([
      "\u001b[H",
      "\u001b[F",
      "\u001b[5~",
      "|",
      "~",
    ]);
  });

  it("makes control characters of what has one", () => {
    expect(withControl("c")).toBe("\u0003");
    expect(withControl("C")).toBe("\u0003");
    expect(withControl("[")).toBe("\u001b");
    expect(withControl(" ")).toBe("\0");
    for (const other of ["1", "ü", "ls", "\u001b[A", ""]) expect(withControl(other), other).toBe(other);
  });
});

describe("withPast", () => {
  const metrics = { cpu_usage: 1, memory_usage: 2, storage_usage: 3 };
  const sample = (at: number): Sample => ({ at, metrics });
  const history = (...seconds: number[]) => ({
    span: "5m" as const,
    step: 10,
    begin: "",
    end: "",
    samples: seconds.map((one) => ({ at: new Date(one * 1000).toISOString(), ...metrics })),
  });

  it("puts what the service has before the first sample, once", () => {
    const once = withPast([sample(100_000)], history(70, 80, 95, 110));
    expect(once.map((one) => one.at)).toEqual([70_000, 80_000, 100_000]);
    expect(withPast(once, history(70, 80, 95))).toBe(once);
    expect(withPast([], history(10)).map((one) => one.at)).toEqual([10_000]);
  });
});
