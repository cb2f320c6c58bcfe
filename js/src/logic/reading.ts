// The reading to show: an exact evaluation where there is one, the levels otherwise, and which of the two it is.
import { sum } from "d3-array";
import type { Bundle, Evaluation, Toggles } from "../protocol/state";
import { isComputed, largest, leading, locate, rowAt, valueAt } from "./levels";
import { sameToggles } from "./toggles";

export type ReadingState = "exact" | "interpolated" | "stale";

export interface TokenRow {
  id: number;
  token: string;
  probability: number;
  fullProbability: number;
}

export interface Reading {
  state: ReadingState;
  edgesKept: number;
  /** How many of them switches put in, less those they took out. */
  edgesSwitched: number;
  totalVariation: number;
  kl: number;
  nucleus: number;
  top1: boolean;
  /** The full model's leading tokens, in its order. */
  rows: TokenRow[];
  /** The subgraph's leading tokens among all others: at a small size, what it says instead. */
  others: TokenRow[];
  /** The subgraph's probability of everything that is not listed. */
  outside: number;
}

export const fullRows = 6;
export const otherRows = 4;

export function read(bundle: Bundle, nEdges: number, toggles: Toggles, evaluation: Evaluation | null): Reading {
  const answered = evaluation !== null && evaluation.n_edges === nEdges && sameToggles(evaluation.toggles, toggles);
  if (answered) return fromEvaluation(bundle, evaluation, "exact");
  if (Object.keys(toggles).length === 0) {
    return fromLevels(bundle, nEdges, isComputed(bundle.arrays.level_n_edges, nEdges) ? "exact" : "interpolated");
  }
  // Switched, and not answered yet: the last numbers stay, and say that they are old.
  return evaluation ? fromEvaluation(bundle, evaluation, "stale") : fromLevels(bundle, nEdges, "stale");
}

function fromLevels(bundle: Bundle, nEdges: number, state: ReadingState): Reading {
  const { arrays } = bundle;
  const position = locate(arrays.level_n_edges, nEdges);
  const probabilities = rowAt(arrays.probabilities, position, bundle.vocabulary.length);
  const tokens = bundle.vocabulary.map((token, index) => ({
    id: bundle.vocabulary_ids[index],
    token,
    probability: probabilities[index],
    fullProbability: arrays.full_probabilities[index],
  }));
  return {
    state,
    edgesKept: nEdges,
    edgesSwitched: 0,
    totalVariation: valueAt(arrays.total_variation, position),
    kl: valueAt(arrays.kl, position),
    nucleus: valueAt(arrays.nucleus, position),
    top1: position.mix === 0 ? arrays.top1[position.lower] === 1 : largest(probabilities) === largest(arrays.full_probabilities),
    ...compare(bundle, tokens),
  };
}

function fromEvaluation(bundle: Bundle, evaluation: Evaluation, state: ReadingState): Reading {
  const tokens = evaluation.head.map(({ id, token, probability, full_probability }) => ({
    id,
    token,
    probability,
    fullProbability: full_probability,
  }));
  return {
    state,
    edgesKept: evaluation.edges_kept,
    edgesSwitched: evaluation.edges_kept - evaluation.n_edges,
    totalVariation: evaluation.total_variation,
    kl: evaluation.kl,
    nucleus: evaluation.nucleus,
    top1: evaluation.top1,
    ...compare(bundle, tokens),
  };
}

/** Splits tokens into the full model's leading ones and the subgraph's leading others. */
function compare(bundle: Bundle, tokens: TokenRow[]): Pick<Reading, "rows" | "others" | "outside"> {
  const byId = new Map(tokens.map((row) => [row.id, row]));
  const rows = leading(bundle.arrays.full_probabilities, fullRows).flatMap(
    (index) => byId.get(bundle.vocabulary_ids[index]) ?? [],
  );
  const listed = new Set(rows.map((row) => row.id));
  const others = tokens
    .filter((row) => !listed.has(row.id))
    .sort((first, second) => second.probability - first.probability)
    .slice(0, otherRows);
  const outside = Math.max(0, 1 - sum([...rows, ...others], (row) => row.probability));
  return { rows, others, outside };
}

/** Without enough edges all tokens are about equally probable: then none leads. */
export const isFlat = (topProbability: number): boolean => topProbability < 0.001;

/** The token that the subgraph now finds most probable. */
export const topToken = ({ rows, others }: Reading): TokenRow =>
  [...rows, ...others].reduce((best, row) => (row.probability > best.probability ? row : best));
