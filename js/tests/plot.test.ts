import { expect, it } from "vitest";
import { sizeScale, type Axis } from "../src/logic/axis";
import { curveOutline, heightOf, plotHeight, tickAnchor } from "../src/logic/plot";
import { mostOf, quantities } from "../src/logic/quantities";
import { decodeViewState } from "../src/protocol/decode";
import type { ViewState } from "../src/protocol/types";
import { makeState } from "./fixture";

const viewState = decodeViewState(makeState().view_state) as ViewState;
const [tv, kl] = quantities;
const axis: Axis = { nEdges: viewState.n_edges, start: 1, spacing: "log" };
const scale = sizeScale(axis, 300);
const whole = { most: 1, least: 0 };
const plot = { axis, scale, quantity: tv, ...whole };

it("has the most at its top, nothing at its bottom, and on its edge what is beyond", () => {
  expect([1, 0.5, 0, 2, Infinity].map((value) => heightOf(value, whole))).toEqual([0, plotHeight / 2, plotHeight, 0, 0]);
  expect(heightOf(3, { most: 12, least: 0 })).toBe(0.75 * plotHeight);
});

it("leads the curve through every computed size, whatever stands on its axes", () => {
  const { level_n_edges: levels, total_variation: errors, kl: divergences } = viewState.arrays;
  const { points } = curveOutline(viewState, plot);
  expect(points).toEqual(Array.from(levels, (nEdges, level) => [scale(nEdges), heightOf(errors[level], whole)]));
  expect(points.at(-1)?.[0]).toBe(300);
  const linear: Axis = { ...axis, spacing: "linear" };
  const evenly = sizeScale(linear, 300);
  const most = mostOf(kl, viewState.arrays, 1);
  expect(most).toBe(Math.max(...divergences));
  const fine = curveOutline(viewState, { axis: linear, scale: evenly, quantity: kl, most, least: 0 }).points;
  expect(fine.length).toBeGreaterThan(2 * levels.length);
  for (const [level, nEdges] of levels.entries()) {
    expect(fine.some(([x, y]) => Math.abs(x - evenly(nEdges)) + Math.abs(y - heightOf(divergences[level], { most, least: 0 })) < 1e-6)).toBe(true);
  }
});

it("ends the axis of a quantity at the most that is shown, and never at what is infinite", () => {
  const arrays = { ...viewState.arrays, level_n_edges: Int32Array.of(1, 10, 20, 30), kl: Float32Array.of(9, Infinity, 4, 0) };
  expect([1, 10, 20, 30].map((start) => mostOf(kl, arrays, start))).toEqual([9, 4, 4, 1]);
  expect(mostOf(tv, arrays, 30)).toBe(1);
});

it("parts the area where the top token returns for good", () => {
  const landmark = viewState.arrays.level_n_edges[2];
  const parted = curveOutline({ ...viewState, landmarks: [{ key: "top1", n_edges: landmark }] }, plot);
  expect(parted.after).toContain(`M${Number(scale(landmark).toFixed(2))},`);
  const whole = curveOutline({ ...viewState, landmarks: [] }, plot);
  expect([whole.before?.startsWith("M0,"), whole.after]).toEqual([true, undefined]);
});

it("holds the axis's first label by its start, and its last by its end", () => {
  expect([0, 150, 300].map((x) => tickAnchor(x, 300))).toEqual(["start", "middle", "end"]);
});
