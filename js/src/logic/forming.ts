// The prediction forming: the probabilities of the leading tokens stacked over size, from the levels that are known.
import { cumsum, max, maxIndex, range, sum } from "d3-array";
import { hsl, lab } from "d3-color";
import { schemeTableau10 } from "d3-scale-chromatic";
import type { Evaluation, ViewState } from "../protocol/types";
import { drawnSizes, foldEnd } from "./axis";
import { leading, locate, rowAt } from "./levels";
import { between, type Point } from "./lines";
import type { Plot } from "./plot";
import { columns } from "./tokenText";

export const formingHeight = 76;

/** Colours that are told apart on a light page and on a dark one; without the grey, which is what is left over. */
export const bandColours = schemeTableau10.filter((colour) => hsl(colour).s > 0.1);
const mostBands = 8;
/** A token that never gets so probable has no band. */
const leastProbability = 0.03;

/** Which of the vocabulary's tokens have a band: the full model's first, and those that get most probable from a size on; in its order. */
export function formingTokens({ arrays, vocabulary }: ViewState, start: number): number[] {
  const levels = range(arrays.level_n_edges.length).filter((level) => arrays.level_n_edges[level] >= start);
  const highest = Float32Array.from(vocabulary, (_, token) => max(levels, (level) => arrays.probabilities[level * vocabulary.length + token]) ?? 0);
  const first = leading(arrays.full_probabilities, 1);
  const chosen = new Set([...first, ...leading(highest, mostBands).filter((token) => highest[token] >= leastProbability)].slice(0, mostBands));
  return leading(arrays.full_probabilities, vocabulary.length).filter((token) => chosen.has(token));
}

/** The probabilities of the bands' tokens at a size. */
export function formingAt({ arrays, vocabulary }: ViewState, tokens: readonly number[], nEdges: number): number[] {
  const row = rowAt(arrays.probabilities, locate(arrays.level_n_edges, nEdges), vocabulary.length);
  return tokens.map((token) => row[token]);
}

/** The same, exact where this size was evaluated without toggles: between two levels the others are on a line. */
export function formingNow(viewState: ViewState, tokens: readonly number[], nEdges: number, evaluation: Evaluation | null): number[] {
  const exact = evaluation && evaluation.n_edges === nEdges && Object.keys(evaluation.toggles).length === 0 ? evaluation.top : [];
  const known = new Map(exact.map(({ id, probability }) => [id, probability]));
  return formingAt(viewState, tokens, nEdges).map((probability, index) => known.get(viewState.vocabulary_ids[tokens[index]]) ?? probability);
}

export interface Band {
  /** Its place in the vocabulary. */
  token: number;
  colour: string;
  /** Of the type on it. */
  ink: string;
  d?: string;
  /** Where its name fits. */
  label: { x: number; y: number } | null;
}

const lineHeight = 13; // px
const characterWidth = 7.2; // px
const labelStep = 6; // px

/** The bands in pixels, the full model's first token lowest; a band is named where it is high enough, at its highest place. */
export function formingBands(viewState: ViewState, tokens: readonly number[], names: readonly string[], plot: Pick<Plot, "axis" | "scale" | "width">): Band[] {
  const { axis, scale, width } = plot;
  const edgesAt = (size: number): number[] => [0, ...cumsum(formingAt(viewState, tokens, size))].map((share) => formingHeight * (1 - Math.min(1, share)));
  const sizes = drawnSizes(viewState.arrays.level_n_edges, axis.spacing);
  const drawn = sizes.map((size) => ({ x: scale(size), edges: edgesAt(size) }));
  const columnsAcross = range(foldEnd(axis), width + 1, labelStep).map((x) => edgesAt(scale.invert(x)));
  return tokens.map((token, band) => {
    const colour = bandColours[band % bandColours.length];
    const edge = (which: number) => drawn.map(({ x, edges }): Point => [x, edges[which]]);
    return { token, colour, ink: lab(colour).l > 60 ? "#000" : "#fff", d: between(edge(band + 1), edge(band)), label: placeLabel(columnsAcross, band, columns(names[band]) * characterWidth, foldEnd(axis)) };
  });
}

/** The place where a name has most room above and below; null where it has too little everywhere. */
function placeLabel(across: readonly number[][], band: number, width: number, left: number): Band["label"] {
  const span = Math.ceil(width / labelStep) + 1;
  let best: (Band["label"] & { room: number }) | null = null;
  for (let first = 1; first + span < across.length; first += 1) {
    const under = across.slice(first, first + span);
    const [top, bottom] = [Math.max(...under.map((edges) => edges[band + 1])), Math.min(...under.map((edges) => edges[band]))];
    if (bottom - top >= lineHeight && bottom - top > (best?.room ?? 0)) best = { x: left + (first + (span - 1) / 2) * labelStep, y: (top + bottom) / 2, room: bottom - top };
  }
  return best && { x: best.x, y: best.y };
}

/** Which band lies at a height over a size; -1 for what is left over. */
export function bandAt(viewState: ViewState, tokens: readonly number[], nEdges: number, y: number): number {
  const share = 1 - y / formingHeight;
  return Array.from(cumsum(formingAt(viewState, tokens, nEdges))).findIndex((upper) => share <= upper);
}

/** The computed size, from one on, at which a token is most probable. */
export function mostProbableAt({ arrays, vocabulary }: ViewState, token: number, start: number): number {
  const levels = range(arrays.level_n_edges.length).filter((level) => arrays.level_n_edges[level] >= start);
  return arrays.level_n_edges[levels[maxIndex(levels, (level) => arrays.probabilities[level * vocabulary.length + token])]];
}

/** What the bands leave over. */
export const restOf = (probabilities: readonly number[]): number => Math.max(0, 1 - sum(probabilities));
