import { describe, expect, it } from "vitest";
import { placeAt, placeOf } from "../src/logic/grid";
import { rampBytes, shadeAt, shadeIndex } from "../src/logic/scales";
import { nodeShares } from "../src/logic/effects";
import { inPageOrder, stripShades } from "../src/logic/shades";
import { fitStrip, labelHeight } from "../src/logic/strip";
import { layerNodes, nodeShare, traceAt } from "../src/logic/trace";
import { decodeViewState } from "../src/protocol/decode";
import type { ViewState } from "../src/protocol/types";
import { makeState } from "./fixture";

const viewState = decodeViewState(makeState().view_state) as ViewState;
const trace = traceAt(viewState, Math.round(viewState.n_edges / 3));

it("gives the grid's cells their shades in the order of the page", () => {
  const nodes = [2, 1, 0].flatMap((layer) => layerNodes(viewState, trace, {}, layer));
  expect(inPageOrder(nodeShares(viewState, trace), viewState).map(shadeIndex)).toEqual(nodes.map((node) => shadeIndex(nodeShare(node))));
  expect(placeAt(5, 3, 2)).toEqual(placeOf({ layer: 1, head: "mlp" }, 2));
});

it("gives a window of the strip its shades, the last layer first", () => {
  const shade = (layer: number, token: number) => shadeIndex(trace.strip[layer * viewState.n_tokens + token] / 255);
  expect([...stripShades(viewState, trace, 1, 2)]).toEqual([2, 1, 0].flatMap((layer) => [shade(layer, 1), shade(layer, 2)]));
  expect(new Set(stripShades(viewState, trace, 0, 3)).size).toBeGreaterThan(2);
});

it("has the same colours as bytes", () => {
  const [red, green, blue, alpha] = rampBytes("dark").subarray(4 * 7, 4 * 8);
  const hex = [red, green, blue].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  expect([`#${hex}`, alpha]).toEqual([shadeAt("dark", 7), 255]);
});

describe("the strip", () => {
  it("shows all tokens where they fit, in whole pixels", () => {
    expect(fitStrip(500, 9, 30)).toEqual({ shown: 9, cellWidth: 55, cellHeight: 4, flat: true, labelEvery: 1 });
    expect(fitStrip(500, 40, 30)).toMatchObject({ shown: 40, cellWidth: 12, flat: false, labelEvery: 2 });
  });

  it("shows a window of a long prompt", () => {
    expect(fitStrip(500, 2000, 80)).toEqual({ shown: 71, cellWidth: 7, cellHeight: 2, flat: false, labelEvery: 2 });
    expect(fitStrip(0, 2000, 80).shown).toBe(1);
  });

  it("gives its labels the height that they need, up to a limit", () => {
    expect(labelHeight(["·a", "·the"], true)).toBe(20);
    expect(labelHeight(["·a", "·the"], false)).toBe(32);
    expect(labelHeight(["·incomprehensibilities"], false)).toBe(73);
  });
});
