import { describe, expect, it } from "vitest";
import { read, topToken } from "../src/logic/reading";
import { decodeBundle, type Bundle, type EncodedBundle } from "../src/protocol/state";
import { makeEvaluation, makeState } from "./fixture";

const encoded = makeState().bundle as EncodedBundle;
const bundle = decodeBundle(encoded) as Bundle;
const [second, third] = bundle.arrays.level_n_edges.slice(-3);
const between = Math.round((second + third) / 2);

describe("which numbers are shown", () => {
  it("is exact on a computed level", () => {
    const reading = read(bundle, second, {}, null);
    expect(reading.state).toBe("exact");
    expect(reading.totalVariation).toBe(bundle.arrays.total_variation.at(-3));
  });

  it("is interpolated between levels, and exact once evaluated there", () => {
    expect(between).not.toBe(second);
    expect(read(bundle, between, {}, null).state).toBe("interpolated");
    const reading = read(bundle, between, {}, makeEvaluation(encoded, { n_edges: between, toggles: {} }));
    expect(reading).toMatchObject({ state: "exact", totalVariation: 0.61, edgesKept: between });
  });

  it("ignores an evaluation of another size while nothing is switched", () => {
    const reading = read(bundle, between, {}, makeEvaluation(encoded, { n_edges: third, toggles: {} }));
    expect(reading.state).toBe("interpolated");
    expect(reading.totalVariation).not.toBe(0.61);
  });

  it("keeps the last evaluation, stale, while a switch is not answered", () => {
    const evaluation = makeEvaluation(encoded, { n_edges: between, toggles: { "0.0": "off" } });
    const reading = read(bundle, between, { "0.0": "on" }, evaluation);
    expect(reading).toMatchObject({ state: "stale", totalVariation: 0.61, edgesSwitched: -2 });
    expect(read(bundle, between, { "0.0": "off" }, evaluation).state).toBe("exact");
    expect(read(bundle, third, { "0.0": "off" }, evaluation).state).toBe("stale");
  });

  it("is stale, from the levels, before the first evaluation of a switch", () => {
    expect(read(bundle, second, { "0.0": "off" }, null)).toMatchObject({ state: "stale", edgesKept: second });
  });
});

describe("the next token", () => {
  it("lists the full model's leading tokens in its order at every size", () => {
    const leaders = [" Paris", " Rome", " Barcelona", " Berlin", " New", " Venice"];
    for (const size of [1, between, bundle.n_edges]) {
      expect(read(bundle, size, {}, null).rows.map((row) => row.token)).toEqual(leaders);
    }
    const evaluation = makeEvaluation(encoded, { n_edges: 5, toggles: {} });
    expect(read(bundle, 5, {}, evaluation).rows.map((row) => row.token)).toEqual(leaders);
  });

  it("says what the subgraph says instead, without repeating a token", () => {
    const reading = read(bundle, 1, {}, null);
    expect(reading.others[0].token).toBe("\n");
    expect(topToken(reading).token).toBe("\n");
    expect(reading.top1).toBe(false);
    expect(topToken(read(bundle, bundle.n_edges, {}, null)).token).toBe(" Paris");
  });

  it("accounts for all probability", () => {
    const { rows, others, outside } = read(bundle, between, {}, null);
    const listed = [...rows, ...others].reduce((sum, row) => sum + row.probability, 0);
    expect(listed + outside).toBeCloseTo(1);
  });
});
