// What the trace of a size holds: edges per head, MLP and layer, shares per token, and the strongest edges of a node.
import { cross, maxIndex, range } from "d3-array";
import type { NodeEdge } from "../protocol/questions";
import type { Toggles, ViewState } from "../protocol/types";
import { countsAt, locate } from "./levels";
import { headKey, mlpKey, parseKey, toggleState, type Component, type ToggleState } from "./toggles";

export interface Trace {
  nEdges: number;
  headEdges: Int32Array; // [L, H]
  mlpEdges: Int32Array; // [L]
  strip: Int32Array; // [L, cells], in 255ths
}

/** How many cells the strip has for its tokens. */
export const stripCells = ({ n_tokens, tokens_per_cell }: ViewState): number => Math.ceil(n_tokens / tokens_per_cell);

export function traceAt(viewState: ViewState, nEdges: number): Trace {
  const { arrays, n_layers, n_heads } = viewState;
  const position = locate(arrays.count_n_edges, nEdges);
  return {
    nEdges,
    headEdges: countsAt(arrays.head_edges, position, n_layers * n_heads),
    mlpEdges: countsAt(arrays.mlp_edges, position, n_layers),
    strip: countsAt(arrays.strip_shares, locate(arrays.strip_n_edges, nEdges), n_layers * stripCells(viewState)),
  };
}

const share = (count: number, total: number): number => (total > 0 ? count / total : 0);
/** In whole per cent: a small change of size then leaves most of the picture untouched. */
const inPercent = (part: number): number => Math.round(100 * part) / 100;

/** Each layer's share of its edges in the trace. */
export function layerShares({ arrays, n_layers }: ViewState, { nEdges }: Trace): number[] {
  const edges = countsAt(arrays.layer_edges, locate(arrays.count_n_edges, nEdges), n_layers);
  return Array.from(edges, (count, layer) => inPercent(share(count, arrays.layer_total[layer])));
}

/** Each token's share of the edges into its positions. */
export function tokenShares({ arrays, n_tokens }: ViewState, { nEdges }: Trace): number[] {
  return Array.from(countsAt(arrays.token_shares, locate(arrays.count_n_edges, nEdges), n_tokens), (part) => inPercent(part / 255));
}

/** A head or an MLP: how much of it is in the trace, and its toggle. */
export interface Node {
  key: string;
  count: number;
  total: number;
  state: ToggleState;
}

export function nodeAt(viewState: ViewState, trace: Trace, toggles: Toggles, { layer, head }: Component): Node {
  if (head === "mlp") {
    const key = mlpKey(layer);
    return { key, state: toggleState(toggles, key), count: trace.mlpEdges[layer], total: viewState.arrays.mlp_total[layer] };
  }
  const key = headKey(layer, head);
  const count = trace.headEdges[layer * viewState.n_heads + head];
  return { key, state: toggleState(toggles, key), count, total: viewState.arrays.head_total[layer] };
}

/** The nodes of a layer in the order of its row: the heads, then the MLP. */
export const layerNodes = (viewState: ViewState, trace: Trace, toggles: Toggles, layer: number): Node[] => [
  ...range(viewState.n_heads).map((head) => nodeAt(viewState, trace, toggles, { layer, head })),
  nodeAt(viewState, trace, toggles, { layer, head: "mlp" }),
];

/** "Layer 21 head 4, auto, 41 of 45 edges in the trace". */
export function nodeLabel({ key, state, count, total }: Node): string {
  const { layer, head } = parseKey(key);
  return `Layer ${layer} ${head === "mlp" ? "MLP" : `head ${head}`}, ${state}, ${count} of ${total} edges in the trace`;
}

export const nodeShare = ({ count, total }: Node): number => share(count, total);

/** The strongest edges of a node that came with the viewState, by weight. */
export function strongestEdges({ arrays, n_layers, n_heads }: ViewState, key: string): NodeEdge[] {
  const { layer, head } = parseKey(key);
  const listed = arrays.strongest_rank.length / (n_layers * (n_heads + 1));
  const start = (layer * (n_heads + 1) + (head === "mlp" ? n_heads : head)) * listed;
  return range(start, start + listed)
    .filter((index) => arrays.strongest_source[index] >= 0)
    .map((index) => ({
      source: arrays.strongest_source[index],
      target: arrays.strongest_target[index],
      weight: arrays.strongest_weight[index],
      rank: arrays.strongest_rank[index],
    }));
}

/** An edge is kept where the trace, or its node's toggle, has it. */
export const isKept = ({ state }: Node, { rank }: NodeEdge, nEdges: number): boolean => (state === "auto" ? rank < nEdges : state === "on");

/** The head with the strongest single edge: where to look first. */
export function strongestHead(viewState: ViewState): Component {
  const heads = cross(range(viewState.n_layers), range(viewState.n_heads), (layer, head) => ({ layer, head }));
  const strength = ({ layer, head }: { layer: number; head: number }) => strongestEdges(viewState, headKey(layer, head))[0]?.weight ?? 0;
  return heads[maxIndex(heads, strength)];
}
