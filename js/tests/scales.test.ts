import { describe, expect, it } from "vitest";
import { placeLandmarks } from "../src/logic/landmarks";
import * as scales from "../src/logic/scales";

describe("the size axis", () => {
  it("runs from 1 edge to all, in powers of ten", () => {
    expect(scales.sizeTicks(12_612).map((tick) => tick.label)).toEqual(["1 edge", "10", "100", "1k", "all"]);
    expect(scales.sizeTicks(5).map((tick) => tick.label)).toEqual(["1 edge", "all"]);
    const toX = scales.sizeScale(10_000, 400);
    expect([toX(1), toX(100), toX(10_000)]).toEqual([0, 200, 400]);
  });

  it("keeps landmark labels apart", () => {
    const landmarks = [
      { key: "tv", n_edges: 96 },
      { key: "top1", n_edges: 10 },
      { key: "nucleus60", n_edges: 12 },
    ] as const;
    const placed = placeLandmarks(landmarks, (size) => size, 100, 0, () => 30);
    expect(placed.map(({ label, line, anchor }) => [label, line, anchor])).toEqual([
      ["top-1 returns", 0, "start"],
      ["60 % nucleus", 1, "start"],
      ["TV ≤ 0.1", 0, "end"],
    ]);
    expect(placeLandmarks(landmarks, (size) => size, 100, 50, () => 30)[0].line).toBe(1);
    // Near the right edge all lie left of their lines, the rightmost on top, so that none is crossed by another's line.
    const crowded = [{ key: "tv", n_edges: 85 }, { key: "top5", n_edges: 93 }, { key: "nucleus60", n_edges: 100 }] as const;
    expect(placeLandmarks(crowded, (size) => size, 100, 0, () => 30).map(({ line, anchor }) => [line, anchor])).toEqual([
      [2, "end"],
      [1, "end"],
      [0, "end"],
    ]);
    const together = [...landmarks.slice(1), { key: "tv", n_edges: 12 } as const];
    expect(placeLandmarks(together, (size) => size, 100, 0, () => 30).map(({ label }) => label)).toEqual([
      "top-1 returns",
      "60 % nucleus · TV ≤ 0.1",
    ]);
  });
});

describe("numbers", () => {
  it("formats sizes, probabilities and distances", () => {
    expect([0.278, 0.0123, 1 / 12_612, 1].map(scales.formatSize)).toEqual(["0.278", "0.0123", "0.000079", "1"]);
    expect([0.67, 0.0994, 0.00001, 0].map(scales.formatProbability)).toEqual(["0.67", "0.099", "<0.001", "0.000"]);
    expect([0.117, 12.34, Infinity].map(scales.formatDistance)).toEqual(["0.117", "12.3", "∞"]);
  });

  it("writes changes with their sign, and a real minus", () => {
    expect([0.014, -0.0123, 0.0001].map(scales.formatChange)).toEqual(["+0.014", "\u22120.012", "0"]);
    expect([-41, 1204].map(scales.formatDifference)).toEqual(["\u221241", "+1,204"]);
  });
});

describe("shades", () => {
  it("tell a single edge from none", () => {
    expect(scales.shade("light", 0)).not.toBe(scales.shade("light", 0.001));
    expect(scales.shade("light", 1)).not.toBe(scales.shade("dark", 1));
    expect(scales.shade("dark", 2)).toBe(scales.shade("dark", 1));
  });
});
