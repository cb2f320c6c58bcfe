import { describe, expect, it } from "vitest";
import { drawnSizes, foldEnd, sizeScale, sizeTicks, whereItBegins, type Axis } from "../src/logic/axis";
import { decodeViewState } from "../src/protocol/decode";
import type { ViewState } from "../src/protocol/types";
import { makeState } from "./fixture";

const viewState = decodeViewState(makeState().view_state) as ViewState;
const at = (errors: number[], levels: number[]): ViewState => ({
  ...viewState,
  n_edges: levels.at(-1)!,
  arrays: { ...viewState.arrays, level_n_edges: Int32Array.from(levels), total_variation: Float32Array.from(errors) },
});

describe("where it begins", () => {
  it("is the last level whose error is as good as whole", () => {
    expect(whereItBegins(at([1, 0.9, 0.95, 0.6, 0], [1, 10, 100, 1000, 10_000]))).toBe(100);
  });

  it("is the first edge where little would be won, nothing is known, or something happens at once", () => {
    expect(whereItBegins(at([0.99, 0.5, 0], [1, 100, 10_000]))).toBe(1);
    expect(whereItBegins(at([1, 1, 0.5, 0], [1, 2, 100, 10_000]))).toBe(1);
    expect(whereItBegins(at([0], [10_000]))).toBe(1);
    expect(whereItBegins(at([0.3, 0.2, 0], [1, 100, 10_000]))).toBe(1);
    expect(whereItBegins(at([1, 1], [1, 10_000]))).toBe(1); // even the whole graph is off: no axis would be left
  });
});

describe("the scale", () => {
  const axes: Axis[] = (["log", "linear"] as const).flatMap((spacing) => [1, 7, 900, 9999].map((start) => ({ nEdges: 10_000, start, spacing })));

  it("has every size in its order, folded or not, and leads back from each pixel", () => {
    for (const axis of axes) {
      const scale = sizeScale(axis, 500);
      const sizes = [1, 2, 7, 100, 900, 5000, 9999, 10_000];
      const places = sizes.map(scale);
      expect([places[0], places.at(-1)]).toEqual([0, 500]);
      places.slice(1).forEach((x, index) => expect(x).toBeGreaterThan(places[index]));
      sizes.forEach((size) => expect(Math.round(scale.invert(scale(size)))).toBe(size));
      expect([scale.invert(-50), scale.invert(550)].map(Math.round)).toEqual([1, 10_000]);
      if (axis.start > 1) expect(scale(axis.start)).toBeCloseTo(foldEnd(axis));
    }
  });

  it("is even in log(edges), or in edges", () => {
    expect([1, 100, 10_000].map(sizeScale({ nEdges: 10_000, start: 1, spacing: "log" }, 400))).toEqual([0, 200, 400]);
    expect(sizeScale({ nEdges: 10_001, start: 1, spacing: "linear" }, 400)(5001)).toBe(200);
  });

  it("has ticks at round sizes, apart from each other and from the fold", () => {
    const labels = (axis: Axis, width: number) => sizeTicks(axis, sizeScale(axis, width)).map((tick) => tick.label);
    expect(labels({ nEdges: 12_612, start: 1, spacing: "log" }, 600)).toEqual(["1 edge", "0.0002", "0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "s = 1"]);
    expect(labels({ nEdges: 12_612, start: 1500, spacing: "log" }, 900)).toEqual(["0.2", "0.3", "0.5", "0.7", "s = 1"]);
    expect(labels({ nEdges: 12_612, start: 1500, spacing: "linear" }, 900)).toEqual(["0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "s = 1"]);
    expect(labels({ nEdges: 5, start: 1, spacing: "log" }, 600)).toContain("s = 1");
    for (const axis of axes) {
      for (const width of [120, 300, 1000]) {
        const ticks = sizeTicks(axis, sizeScale(axis, width));
        ticks.slice(1).forEach(({ x }, index) => expect(x - ticks[index].x).toBeGreaterThanOrEqual(46));
        expect(ticks.every(({ x }) => x >= foldEnd(axis))).toBe(true);
      }
    }
  });
});

it("draws what is straight in log(edges) finely where the axis is another", () => {
  expect(drawnSizes([1, 10, 100], "log")).toEqual([1, 10, 100]);
  const fine = drawnSizes([1, 10, 100], "linear");
  expect(fine).toHaveLength(13);
  expect([fine[0], fine[6], fine[12]]).toEqual([1, 10, 100]);
  expect(fine[3]).toBeCloseTo(Math.sqrt(10));
});
