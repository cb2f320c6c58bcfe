// Where the curve jumps: between which neighbouring levels, and what is known of why.
import { pairs, range } from "d3-array";
import type { EnteringEdge, Jump, ViewState } from "../protocol/types";

/** Two neighbouring levels between which the error changes, and the change. */
export interface Step {
  n_edges: [lower: number, upper: number];
  total_variation: [before: number, after: number];
}

const leastChange = 0.1;
const mostSteps = 4;

const change = ({ total_variation: [before, after] }: Step): number => Math.abs(after - before);
const sameSizes = (step: Step, jump: Jump): boolean => step.n_edges.every((size, end) => size === jump.n_edges[end]);

/** The largest changes from a size on, in the order of the sizes. None while levels are missing: more of them make other steps. */
export function stepsOf({ arrays, levels_follow }: ViewState, start: number): Step[] {
  if (levels_follow) return [];
  const levels = range(arrays.level_n_edges.length).filter((level) => arrays.level_n_edges[level] >= start);
  return pairs(levels)
    .map(([lower, upper]): Step => ({
      n_edges: [arrays.level_n_edges[lower], arrays.level_n_edges[upper]],
      total_variation: [arrays.total_variation[lower], arrays.total_variation[upper]],
    }))
    .filter((step) => change(step) >= leastChange)
    .sort((first, second) => change(second) - change(first))
    .slice(0, mostSteps)
    .sort((first, second) => first.n_edges[0] - second.n_edges[0]);
}

export const knownOf = (jumps: readonly Jump[], step: Step): Jump | undefined => jumps.find((jump) => sameSizes(step, jump));

/** The step that holds a size, or is nearest to it. */
export function nearestStep(steps: readonly Step[], nEdges: number): Step | undefined {
  const distance = ({ n_edges: [lower, upper] }: Step) => Math.max(Math.log(lower / nEdges), Math.log(nEdges / upper), 0);
  return [...steps].sort((first, second) => distance(first) - distance(second))[0];
}

const kinds: Record<EnteringEdge["kind"], string> = { attention: "head", attention_residual: "past the attention", mlp: "MLP", mlp_residual: "past the MLP" };

/** "layer 23 head 4", "layer 3 MLP", "layer 7 past the MLP". */
export const partName = ({ kind, layer, head }: EnteringEdge): string => `layer ${layer} ${kinds[kind]}${head === null ? "" : ` ${head}`}`;

/** Tokens that occur more than once say where they are. */
export const placedNames = (names: readonly string[]): string[] =>
  names.map((name, place) => (names.indexOf(name) === names.lastIndexOf(name) ? name : name + [...String(place)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]).join("")));
