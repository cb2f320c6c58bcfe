import { describe, expect, it } from "vitest";
import { read, topToken } from "../src/logic/reading";
import { decodeViewState } from "../src/protocol/decode";
import type { EncodedViewState, ViewState } from "../src/protocol/types";
import { makeEvaluation, makeState } from "./fixture";

const encoded = makeState().view_state as EncodedViewState;
const viewState = decodeViewState(encoded) as ViewState;
const [second, third] = viewState.arrays.level_n_edges.slice(-3);
const between = Math.round((second + third) / 2);

describe("which numbers are shown", () => {
  it("is exact on a computed level", () => {
    const reading = read(viewState, second, {}, null);
    expect(reading.state).toBe("exact");
    expect(reading.total_variation).toBe(viewState.arrays.total_variation.at(-3));
  });

  it("is interpolated between levels, and exact once evaluated there", () => {
    expect(between).not.toBe(second);
    expect(read(viewState, between, {}, null).state).toBe("interpolated");
    const reading = read(viewState, between, {}, makeEvaluation(encoded, { n_edges: between, toggles: {} }));
    expect(reading).toMatchObject({ state: "exact", total_variation: 0.61, edges_kept: between });
  });

  it("ignores an evaluation of another size while nothing is toggled", () => {
    const reading = read(viewState, between, {}, makeEvaluation(encoded, { n_edges: third, toggles: {} }));
    expect(reading.state).toBe("interpolated");
    expect(reading.total_variation).not.toBe(0.61);
  });

  it("keeps the last evaluation, stale, while a toggle is not answered", () => {
    const evaluation = makeEvaluation(encoded, { n_edges: between, toggles: { "0.0": "off" } });
    const reading = read(viewState, between, { "0.0": "on" }, evaluation);
    expect(reading).toMatchObject({ state: "stale", total_variation: 0.61, edgesToggled: -2 });
    expect(read(viewState, between, { "0.0": "off" }, evaluation).state).toBe("exact");
    expect(read(viewState, third, { "0.0": "off" }, evaluation).state).toBe("stale");
  });

  it("is stale, from the levels, before the first evaluation of a toggle", () => {
    expect(read(viewState, second, { "0.0": "off" }, null)).toMatchObject({ state: "stale", edges_kept: second });
  });
});

describe("the next token", () => {
  it("lists the full model's leading tokens in its order at every size", () => {
    const leaders = [" Paris", " Rome", " Barcelona", " Berlin", " New", " Venice"];
    for (const size of [1, between, viewState.n_edges]) {
      expect(read(viewState, size, {}, null).rows.map((row) => row.token)).toEqual(leaders);
    }
    const evaluation = makeEvaluation(encoded, { n_edges: 5, toggles: {} });
    expect(read(viewState, 5, {}, evaluation).rows.map((row) => row.token)).toEqual(leaders);
  });

  it("says what the subgraph says instead, without repeating a token", () => {
    const reading = read(viewState, 1, {}, null);
    expect(reading.others[0].token).toBe("\n");
    expect(topToken(reading).token).toBe("\n");
    expect(reading.top1).toBe(false);
    expect(topToken(read(viewState, viewState.n_edges, {}, null)).token).toBe(" Paris");
  });

  it("accounts for all probability", () => {
    const { rows, others, outside } = read(viewState, between, {}, null);
    const listed = [...rows, ...others].reduce((sum, row) => sum + row.probability, 0);
    expect(listed + outside).toBeCloseTo(1);
  });
});
