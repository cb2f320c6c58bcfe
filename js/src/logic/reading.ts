// The prediction to show: an exact evaluation where there is one, the levels otherwise, and which of the two it is.
import { sum } from "d3-array";
import type { Evaluation, Prediction, Toggles, TopToken, ViewState } from "../protocol/types";
import { haveLevels, isComputed, largest, leading, locate, rowAt, valueAt } from "./levels";
import { levelsOf } from "./quantities";
import { sameToggles } from "./toggles";

export type ReadingState = "exact" | "interpolated" | "stale";

/** A prediction, and how far it can be trusted. */
export interface Reading extends Prediction {
  state: ReadingState;
  /** How many edges toggles put in, less those they took out. */
  edgesToggled: number;
  /** The full model's leading tokens, in its order. */
  rows: TopToken[];
  /** The subgraph's leading tokens among all others: at a small size, what it says instead. */
  others: TopToken[];
  /** The subgraph's probability of everything that is not listed. */
  outside: number;
}

export const fullRows = 6;
export const otherRows = 4;

export function read(viewState: ViewState, nEdges: number, toggles: Toggles, evaluation: Evaluation | null): Reading {
  const answered = evaluation !== null && evaluation.n_edges === nEdges && sameToggles(evaluation.toggles, toggles);
  const toggled = Object.keys(toggles).length > 0;
  // What was answered before the first levels came has no faithfulness yet.
  const later = answered && !toggled && evaluation.faithfulness === undefined ? faithfulnessAt(viewState, nEdges) : {};
  if (answered) return shown(viewState, { ...evaluation, ...later }, evaluation.n_edges, "exact");
  // Toggled, and not answered yet: the last numbers stay, and say that they are old.
  if (toggled && evaluation) return shown(viewState, evaluation, evaluation.n_edges, "stale");
  const computed = isComputed(viewState.arrays.level_n_edges, nEdges) ? "exact" : "interpolated";
  const unknown = toggled || (computed === "interpolated" && !haveLevels(viewState));
  return shown(viewState, predictionAt(viewState, nEdges), nEdges, unknown ? "stale" : computed);
}

const shown = (viewState: ViewState, prediction: Prediction, nEdges: number, state: ReadingState): Reading => ({
  ...prediction,
  state,
  edgesToggled: prediction.edges_kept - nEdges,
  ...compare(viewState, prediction.top),
});

/** What the trace of a size predicts, without toggles. */
export function predictionAt({ arrays, vocabulary, vocabulary_ids }: ViewState, nEdges: number): Prediction {
  const position = locate(arrays.level_n_edges, nEdges);
  const probabilities = rowAt(arrays.probabilities, position, vocabulary.length);
  return {
    edges_kept: nEdges,
    total_variation: valueAt(arrays.total_variation, position),
    kl: valueAt(arrays.kl, position),
    entropy: valueAt(arrays.entropy, position),
    ...faithfulnessAt({ arrays }, nEdges),
    nucleus: valueAt(arrays.nucleus, position),
    top1: position.mix === 0 ? arrays.top1[position.lower] === 1 : largest(probabilities) === largest(arrays.full_probabilities),
    top: vocabulary.map((token, index) => ({
      id: vocabulary_ids[index],
      token,
      probability: probabilities[index],
      full_probability: arrays.full_probabilities[index],
    })),
  };
}

/** Nothing where no target is asked for. */
function faithfulnessAt({ arrays }: Pick<ViewState, "arrays">, nEdges: number): Pick<Prediction, "faithfulness"> {
  const values = levelsOf({ key: "faithfulness" }, arrays);
  return values.length > 0 ? { faithfulness: valueAt(values, locate(arrays.level_n_edges, nEdges)) } : {};
}

/** Splits tokens into the full model's leading ones and the subgraph's leading others. */
function compare({ arrays, vocabulary_ids }: ViewState, tokens: TopToken[]): Pick<Reading, "rows" | "others" | "outside"> {
  const byId = new Map(tokens.map((row) => [row.id, row]));
  const rows = leading(arrays.full_probabilities, fullRows).flatMap((index) => byId.get(vocabulary_ids[index]) ?? []);
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
export const topToken = ({ rows, others }: Reading): TopToken =>
  [...rows, ...others].reduce((best, row) => (row.probability > best.probability ? row : best));
