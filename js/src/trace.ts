// What the trace of a size holds: edges per head, MLP, position and layer, and the strongest edges of a node.
import { range } from "d3-array";
import { countsAt, locate } from "./levels";
import { headKey, mlpKey, parseKey, switchState, type Component, type SwitchState } from "./toggles";
import type { Bundle, Toggles } from "./state";

export interface Trace {
  nEdges: number;
  headEdges: Int32Array; // [L, H]
  mlpEdges: Int32Array; // [L]
  positionEdges: Int32Array; // [L, T]
}

export function traceAt({ arrays, n_layers, n_heads, n_tokens }: Bundle, nEdges: number): Trace {
  const position = locate(arrays.level_n_edges, nEdges);
  return {
    nEdges,
    headEdges: countsAt(arrays.head_edges, position, n_layers * n_heads),
    mlpEdges: countsAt(arrays.mlp_edges, position, n_layers),
    positionEdges: countsAt(arrays.position_edges, position, n_layers * n_tokens),
  };
}

const share = (count: number, total: number): number => (total > 0 ? count / total : 0);

/** Each layer's share of its edges in the trace. */
export const layerShares = (bundle: Bundle, trace: Trace): number[] =>
  sharesBy(bundle, trace, bundle.n_layers, (index) => Math.floor(index / bundle.n_tokens));

/** Each token's share of the edges into its positions. */
export const tokenShares = (bundle: Bundle, trace: Trace): number[] =>
  sharesBy(bundle, trace, bundle.n_tokens, (index) => index % bundle.n_tokens);

/** Shares of groups of positions, in whole per cent: a small change of size then leaves most of the picture untouched. */
function sharesBy({ arrays }: Bundle, { positionEdges }: Trace, groups: number, groupOf: (index: number) => number): number[] {
  const kept = new Float64Array(groups);
  const total = new Float64Array(groups);
  for (let index = 0; index < positionEdges.length; index += 1) {
    kept[groupOf(index)] += positionEdges[index];
    total[groupOf(index)] += arrays.position_total[index];
  }
  return range(groups).map((group) => Math.round(100 * share(kept[group], total[group])) / 100);
}

/** A head or an MLP: how much of it is in the trace, and its switch. */
export interface Node {
  key: string;
  count: number;
  total: number;
  state: SwitchState;
}

export function nodeAt(bundle: Bundle, trace: Trace, toggles: Toggles, { layer, head }: Component): Node {
  if (head === "mlp") {
    const key = mlpKey(layer);
    return { key, state: switchState(toggles, key), count: trace.mlpEdges[layer], total: bundle.arrays.mlp_total[layer] };
  }
  const key = headKey(layer, head);
  const count = trace.headEdges[layer * bundle.n_heads + head];
  return { key, state: switchState(toggles, key), count, total: bundle.arrays.head_total[layer] };
}

/** The nodes of a layer in the order of its row: the heads, then the MLP. */
export const layerNodes = (bundle: Bundle, trace: Trace, toggles: Toggles, layer: number): Node[] => [
  ...range(bundle.n_heads).map((head) => nodeAt(bundle, trace, toggles, { layer, head })),
  nodeAt(bundle, trace, toggles, { layer, head: "mlp" }),
];

export const nodeShare = ({ count, total }: Node): number => share(count, total);

export interface NodeEdge {
  source: number;
  target: number;
  weight: number;
  kept: boolean;
}

/** The strongest edges of a node, by weight; kept where the trace, or the node's switch, has them. */
export function strongestEdges(bundle: Bundle, node: Node, nEdges: number): NodeEdge[] {
  const { arrays, n_heads, n_tokens } = bundle;
  const { layer, head } = parseKey(node.key);
  const kept = (rank: number) => (node.state === "auto" ? rank < nEdges : node.state === "on");
  const strongest = arrays.strongest_rank.length / (bundle.n_layers * n_heads);
  if (head === "mlp") {
    return range(n_tokens)
      .map((token) => ({ token, rank: arrays.mlp_rank[layer * n_tokens + token], weight: arrays.mlp_weight[layer * n_tokens + token] }))
      .filter(({ rank }) => rank < bundle.n_edges)
      .sort((first, second) => second.weight - first.weight)
      .slice(0, strongest)
      .map(({ token, rank, weight }) => ({ source: token, target: token, weight, kept: kept(rank) }));
  }
  const start = (layer * n_heads + head) * strongest;
  return range(start, start + strongest)
    .filter((index) => arrays.strongest_source[index] >= 0)
    .map((index) => ({
      source: arrays.strongest_source[index],
      target: arrays.strongest_target[index],
      weight: arrays.strongest_weight[index],
      kept: kept(arrays.strongest_rank[index]),
    }));
}

/** The head with the strongest single edge: where to look first. */
export function strongestHead({ arrays, n_layers, n_heads }: Bundle): Component {
  const strongest = arrays.strongest_weight.length / (n_layers * n_heads);
  const best = arrays.strongest_weight.reduce((top, weight, index, weights) => (weight > weights[top] ? index : top), 0);
  const place = Math.floor(best / strongest);
  return { layer: Math.floor(place / n_heads), head: place % n_heads };
}
