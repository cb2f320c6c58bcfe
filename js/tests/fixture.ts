// A plausible synthetic state of any shape: deterministic, for the tests and for looking at the page.
import { defaults, version, type EffectMap, type EncodedArray, type EncodedViewState, type Evaluation, type ExplorerState } from "../src/protocol/types";

export interface Shape {
  layers: number;
  heads: number;
  tokens: string[];
  levels: number;
  tokensPerCell?: number;
}

export const small: Shape = { layers: 3, heads: 2, tokens: ["The", " cat", " sat"], levels: 8 };

const vocabulary = [" Paris", " Rome", " Barcelona", " Berlin", " New", " Venice", " London", " the", " a", "\n", "<script>alert(1)</script>", " باريس", ""];
const fullLogits = [4, 1.2, 0.9, 0.7, 0.6, 0.5, 0.3, -0.5, -0.8, -2, -3, -3, -4];
const emptyLogits = [-3, -2, -2.5, -2, 0, -3, -2, 2.2, 1.8, 2.6, 1.2, 1, -1];
const strongest = 8;

export function makeState(shape: Shape = small): ExplorerState {
  return {
    ...defaults,
    view_state: makeViewState(shape),
    choices: { importance: ["l1", "l2", "norm"].map((name) => ({ name, group: name === "norm" ? "others" : "by size", label: `what ${name} says` })), masks: ["all", "mlp+residual"] },
    live: true,
  };
}

export function makeEvaluation(viewState: EncodedViewState, request: Pick<Evaluation, "n_edges" | "toggles">): Evaluation {
  const full = softmax(fullLogits);
  const probabilities = softmax(fullLogits.map((logit, index) => (index === 0 ? 0.4 : logit)));
  return {
    ...request,
    edges_kept: Math.max(1, request.n_edges - 2 * Object.keys(request.toggles).length),
    total_variation: 0.61,
    kl: 1.25,
    entropy: 2.5,
    top1: false,
    nucleus: 0,
    top: viewState.vocabulary
      .map((token, index) => ({ id: index, token, probability: probabilities[index], full_probability: full[index] }))
      .sort((first, second) => second.probability - first.probability),
  };
}

function makeViewState({ layers, heads, tokens, levels, tokensPerCell: perCell = 1 }: Shape): EncodedViewState {
  const random = randomNumbers(7);
  const positions = tokens.length;
  const pairs = (positions * (positions + 1)) / 2;
  // Into each position: every head's edges, the MLP's, and the residual one; the last layer reaches the last position only.
  const reaches = (layer: number, token: number) => layer < layers - 1 || token === positions - 1;
  const headTotal = times(layers, (layer) => (layer < layers - 1 ? pairs : positions));
  const mlpTotal = times(layers, (layer) => (layer < layers - 1 ? positions : 1));
  const positionTotal = times2(layers, positions, (layer, token) => (reaches(layer, token) ? heads * (token + 1) + 2 : 0));
  const edges = positionTotal.reduce((sum, count) => sum + count, 0);

  const sizes = [...new Set(times(levels, (level) => Math.round(edges ** (level / (levels - 1)))))];
  const shares = sizes.map((size) => size / edges);
  const rebuilt = shares.map((share) => share === 1 ? 1 : 1 / (1 + (0.16 / share) ** 3));
  const lean = times(layers * heads, () => 0.3 + 2.2 * random() ** 2);
  const kept = (share: number, weight: number, total: number) => Math.round(total * Math.min(1, share === 1 ? 1 : weight * share ** 0.8));
  const full = softmax(fullLogits);
  const subgraphs = rebuilt.map((amount) => softmax(fullLogits.map((logit, index) => logit * amount + emptyLogits[index] * (1 - amount))));
  const errors = subgraphs.map((row) => row.reduce((sum, probability, index) => sum + Math.abs(probability - full[index]) / 2, 0));
  const links = times(layers * (heads + 1), (node) => {
    const [layer, mlp] = [Math.floor(node / (heads + 1)), node % (heads + 1) === heads];
    const weights = times(strongest, (place) => 2 * 0.7 ** place * random()).sort((first, second) => second - first);
    return weights.map((weight, place) => {
      const target = layer === layers - 1 ? positions - 1 : mlp ? place : Math.floor(random() * positions);
      const there = place < (mlp ? mlpTotal : headTotal)[layer];
      const rank = there ? Math.round(edges * Math.exp(-4 * weight)) : 2 ** 31 - 1;
      return { target: there ? target : -1, source: there ? (mlp ? target : Math.floor(random() * (target + 1))) : -1, weight: there ? weight : 0, rank };
    });
  }).flat();
  const byLayer = (index: number) => Math.floor(index / positions);
  const byToken = (index: number) => index % positions;
  const cells = Math.ceil(positions / perCell);
  const byCell = (index: number) => byLayer(index) * cells + Math.floor(byToken(index) / perCell);
  const intoPositions = shares.map((share) => positionTotal.map((total, index) => kept(share, 0.4 + ((index * 7919) % 11) / 6, total)));
  const sharesBy = (groupOf: (index: number) => number) =>
    intoPositions.flatMap((counts) => {
      const totals = grouped(positionTotal, groupOf);
      return grouped(counts, groupOf).map((count, group) => in255ths(count, totals[group]));
    });

  const graph = firstEdges(layers, heads, positions, edges);

  return {
    version,
    model: "SmolLM2-135M-Instruct",
    server: "",
    prompt: tokens.join(""),
    tokens,
    importance: "l1",
    masks: "all",
    position: positions - 1,
    all_tokens: tokens,
    n_layers: layers,
    n_heads: heads,
    n_tokens: positions,
    parallel: true,
    n_edges: edges,
    tokens_per_cell: perCell,
    full_entropy: 1.4,
    vocabulary,
    vocabulary_ids: vocabulary.map((_, index) => index),
    landmarks: [
      { key: "top1", n_edges: sizes[rebuilt.findIndex((amount) => amount > 0.45)] },
      { key: "nucleus60", n_edges: sizes[rebuilt.findIndex((amount) => amount > 0.6)] },
      { key: "tv", n_edges: sizes[errors.findIndex((error) => error < 0.1)] },
    ],
    arrays: {
      level_n_edges: encode("int32", sizes),
      total_variation: encode("float32", errors),
      kl: encode("float32", errors.map((error) => 3 * error ** 1.5)),
      entropy: encode("float32", errors.map((error) => 1.4 + error)),
      top1: encode("uint8", subgraphs.map((row) => Number(row[0] === Math.max(...row)))),
      nucleus: encode("float32", rebuilt.map((amount) => (amount > 0.5 ? amount : 0))),
      probabilities: encode("float32", subgraphs.flat()),
      full_probabilities: encode("float32", full),
      count_n_edges: encode("int32", sizes),
      head_edges: encode("int32", shares.flatMap((share) => lean.map((weight, index) => kept(share, weight, headTotal[Math.floor(index / heads)])))),
      mlp_edges: encode("int32", shares.flatMap((share) => mlpTotal.map((total, layer) => kept(share, 3.2 - (2.8 * layer) / layers, total)))),
      layer_edges: encode("int32", intoPositions.flatMap((counts) => grouped(counts, byLayer))),
      head_total: encode("int32", headTotal),
      mlp_total: encode("int32", mlpTotal),
      layer_total: encode("int32", grouped(positionTotal, byLayer)),
      strip_n_edges: encode("int32", sizes),
      strip_shares: encode("uint8", sharesBy(byCell)),
      token_shares: encode("uint8", sharesBy(byToken)),
      weight_into_last: encode("float32", times(layers * (heads + 1), (index) => ((index * 37) % 17) / 40)),
      entry_n_edges: encode("int32", times(layers * (heads + 1), (index) => 1 + ((index * 53) % (edges - 1)))),
      strongest_source: encode("int32", links.map((link) => link.source)),
      strongest_target: encode("int32", links.map((link) => link.target)),
      strongest_weight: encode("float32", links.map((link) => link.weight)),
      strongest_rank: encode("int32", links.map((link) => link.rank)),
      graph_part: encode("int32", graph.map((edge) => edge.layer * (heads + 3) + edge.part)),
      graph_link: encode("int32", graph.map((edge) => edge.target * positions + edge.source)),
      graph_weight: encode("float32", graph.map((edge) => edge.weight)),
    },
  };
}

/** The first edges of an order, as many as are drawn: a residual edge and an MLP's a position, and heads, the nearest tokens most. */
function firstEdges(layers: number, heads: number, positions: number, all: number) {
  const random = randomNumbers(11);
  const edges = times(layers * positions, (index) => [Math.floor(index / positions), index % positions]).filter(([layer, target]) => layer < layers - 1 || target === positions - 1);
  const own = edges.flatMap(([layer, target]) => [heads, heads + 1].map((part) => ({ layer, part, target, source: target, weight: part === heads ? 0.5 + 0.4 * random() : 0.3 * random() })));
  const share = Math.min(1, 40_000 / all);
  const others = edges.flatMap(([layer, target]) =>
    times(heads * (target + 1), (index) => ({ layer, part: index % heads, target, source: Math.floor(index / heads), weight: 0.4 * random() ** 6 })).filter(() => share === 1 || random() < share),
  );
  return [...own, ...others].sort((first, second) => second.weight - first.weight).slice(0, 20_000);
}

/** Of the first `known` components in the order of the arrays, the rest not yet known; the second head of the last layer does most. */
export function makeEffects({ layers, heads }: Shape = small, known = layers * (heads + 1)): EffectMap {
  const count = layers * (heads + 1);
  const most = (layers - 1) * (heads + 1) + 1;
  const effect = (index: number) => (index === most ? 0.67 : 0.002 + 0.4 * (((index * 29) % 13) / 13) ** 3);
  const where = (value: (index: number) => number) => times(count, (index) => (index < known ? value(index) : NaN));
  return {
    answer: " Paris",
    rival: " the",
    known: encode("uint8", times(count, (index) => Number(index < known))),
    total_variation: encode("float32", where(effect)),
    logit_change: encode("float32", where((index) => (index % 4 === 1 ? 1 : -3) * effect(index))),
  };
}

const types = { int32: Int32Array, float32: Float32Array, uint8: Uint8Array };

/** As a comm hands bytes over: a view that starts at an odd offset. */
export function encode(dtype: EncodedArray["dtype"], values: number[]): EncodedArray {
  const bytes = new Uint8Array(types[dtype].from(values).buffer);
  const message = new Uint8Array(bytes.length + 3);
  message.set(bytes, 3);
  return { dtype, shape: [values.length], data: new DataView(message.buffer, 3) };
}

function softmax(logits: number[]): number[] {
  const powers = logits.map(Math.exp);
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function grouped(values: number[], groupOf: (index: number) => number): number[] {
  const sums: number[] = [];
  values.forEach((value, index) => (sums[groupOf(index)] = (sums[groupOf(index)] ?? 0) + value));
  return sums;
}

const in255ths = (count: number, total: number): number => (total > 0 ? Math.max(Math.round((255 * count) / total), Number(count > 0)) : 0);
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
const times2 = (rows: number, columns: number, make: (row: number, column: number) => number): number[] =>
  times(rows * columns, (index) => make(Math.floor(index / columns), index % columns));

/** Mulberry32: the same numbers on every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
