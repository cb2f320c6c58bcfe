import { lab } from "d3-color";
import { expect, it } from "vitest";
import { sizeScale, type Axis } from "../src/logic/axis";
import { bandAt, bandColours, formingAt, formingBands, formingHeight, formingNow, formingTokens, restOf } from "../src/logic/forming";
import { largest } from "../src/logic/levels";
import { decodeViewState } from "../src/protocol/decode";
import type { EncodedViewState, ViewState } from "../src/protocol/types";
import { makeEvaluation, makeState } from "./fixture";

const viewState = decodeViewState(makeState().view_state) as ViewState;
const { arrays, vocabulary, vocabulary_ids, n_edges } = viewState;
const axis: Axis = { nEdges: n_edges, start: 1, spacing: "log" };
const plot = { axis, scale: sizeScale(axis, 600), width: 600 };
const tokens = formingTokens(viewState, 1);

it("shows the tokens that lead at some size, in the full model's order", () => {
  expect(tokens[0]).toBe(largest(arrays.full_probabilities));
  expect(tokens.length).toBeLessThanOrEqual(8);
  const full = tokens.map((token) => arrays.full_probabilities[token]);
  expect(full).toEqual([...full].sort((first, second) => second - first));
  for (let level = 0; level < arrays.level_n_edges.length; level += 1) {
    const row = arrays.probabilities.slice(level * vocabulary.length, (level + 1) * vocabulary.length);
    if (Math.max(...row) >= 0.03) expect(tokens).toContain(largest(row));
  }
});

it("leaves out what leads only where the axis is folded", () => {
  const early = largest(arrays.probabilities.slice(0, vocabulary.length));
  expect(tokens).toContain(early);
  expect(formingTokens(viewState, n_edges)).not.toContain(early);
  expect(formingTokens(viewState, n_edges)).toContain(tokens[0]);
});

it("has exact probabilities where the size was evaluated, and nothing is toggled", () => {
  const between = arrays.level_n_edges[2] + 1;
  const exact = makeEvaluation(makeState().view_state as EncodedViewState, { n_edges: between, toggles: {} });
  const [listed, unlisted] = [vocabulary_ids[tokens[0]], vocabulary_ids[tokens[1]]];
  const evaluation = { ...exact, top: [{ ...exact.top[0], id: listed, probability: 0.625 }] };
  const onLine = formingAt(viewState, tokens, between);
  expect(listed).not.toBe(unlisted);
  expect(formingNow(viewState, tokens, between, evaluation)).toEqual([0.625, ...onLine.slice(1)]);
  for (const other of [null, { ...evaluation, n_edges: between + 1 }, { ...evaluation, toggles: { "0.0": "off" } as const }]) {
    expect(formingNow(viewState, tokens, between, other)).toEqual(onLine);
  }
});

it("has the probabilities of a level as they are, and never more than all", () => {
  arrays.level_n_edges.forEach((nEdges, level) => {
    const probabilities = formingAt(viewState, tokens, nEdges);
    probabilities.forEach((probability, index) => expect(probability).toBe(arrays.probabilities[level * vocabulary.length + tokens[index]]));
    expect(restOf(probabilities) + probabilities.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
  });
});

it("stacks them, and finds the band that lies at a height", () => {
  const [first, second] = formingAt(viewState, tokens, n_edges);
  expect(bandAt(viewState, tokens, n_edges, formingHeight * (1 - first / 2))).toBe(0);
  expect(bandAt(viewState, tokens, n_edges, formingHeight * (1 - first - second / 2))).toBe(1);
  expect(bandAt(viewState, tokens, 1, 0)).toBe(-1);
});

it("names a band only inside of it", () => {
  const names = tokens.map((token) => vocabulary[token]);
  const bands = formingBands(viewState, tokens, names, plot);
  const named = bands.filter(({ label }) => label);
  expect(named.length).toBeGreaterThan(0);
  bands.forEach(({ label }, band) => {
    if (!label) return;
    const half = (7.2 * names[band].length) / 2;
    for (const x of [label.x - half, label.x, label.x + half]) {
      for (const y of [label.y - 6, label.y + 6]) expect(bandAt(viewState, tokens, plot.scale.invert(x), y)).toBe(band);
    }
  });
});

it("has colours that are told apart from each other and from both pages", () => {
  const distance = (one: string, other: string) => {
    const [first, second] = [lab(one), lab(other)];
    return Math.hypot(first.l - second.l, first.a - second.a, first.b - second.b);
  };
  expect(bandColours.length).toBeGreaterThanOrEqual(8);
  bandColours.forEach((colour, index) => {
    for (const page of ["#ffffff", "#12161b", "#f5f7f9", "#1b2027"]) expect(distance(colour, page)).toBeGreaterThan(30);
    bandColours.slice(index + 1).forEach((other) => expect(distance(colour, other)).toBeGreaterThan(25));
  });
});
