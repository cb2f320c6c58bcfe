import { expect, it } from "vitest";
import { curveOutline, plotHeight, tickAnchor, toY } from "../src/logic/plot";
import { sizeScale } from "../src/logic/scales";
import { decodeViewState } from "../src/protocol/decode";
import type { ViewState } from "../src/protocol/types";
import { makeState } from "./fixture";

const viewState = decodeViewState(makeState().view_state) as ViewState;
const scale = sizeScale(viewState.n_edges, 300);

it("has an error of 1 at its top, and none at its bottom", () => {
  expect([1, 0.5, 0].map(toY)).toEqual([0, plotHeight / 2, plotHeight]);
});

it("leads the curve through every computed size", () => {
  const { level_n_edges: levels, total_variation: errors } = viewState.arrays;
  const { points } = curveOutline(viewState, scale);
  expect(points).toEqual(Array.from(levels, (nEdges, level) => [scale(nEdges), toY(errors[level])]));
  expect(points.at(-1)?.[0]).toBe(300);
});

it("parts the area where the top token returns for good", () => {
  const landmark = viewState.arrays.level_n_edges[2];
  const parted = curveOutline({ ...viewState, landmarks: [{ key: "top1", n_edges: landmark }] }, scale);
  expect(parted.after).toContain(`M${Number(scale(landmark).toFixed(3))},`);
  const whole = curveOutline({ ...viewState, landmarks: [] }, scale);
  expect([whole.before?.startsWith("M0,"), whole.after]).toEqual([true, undefined]);
});

it("holds the axis's first label by its start, and its last by its end", () => {
  expect([0, 150, 300].map((x) => tickAnchor(x, 300))).toEqual(["start", "middle", "end"]);
});
