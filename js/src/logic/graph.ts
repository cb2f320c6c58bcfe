// The graph as a picture: where its nodes stand, and its edges as strokes in the order in which they enter the trace.
import { bisectLeft, range } from "d3-array";
import type { Toggles, ViewState } from "../protocol/types";
import { edgeState, type ToggleState } from "./toggles";

/** Edges in the order of the trace; the n-th has rank n. */
export interface GraphEdges {
  count: number;
  layer: Int32Array;
  /** 0..H-1 is a head, H the residual edge past the attention, H + 1 the MLP, H + 2 the residual edge past it. */
  part: Int32Array;
  target: Int32Array;
  source: Int32Array;
  weight: Float32Array;
}

export function graphEdges({ arrays, n_heads, n_tokens }: ViewState): GraphEdges {
  const { graph_part: parts, graph_link: links, graph_weight: weight } = arrays;
  return {
    count: weight.length,
    layer: parts.map((part) => Math.floor(part / (n_heads + 3))),
    part: parts.map((part) => part % (n_heads + 3)),
    target: links.map((link) => Math.floor(link / n_tokens)),
    source: links.map((link) => link % n_tokens),
    weight,
  };
}

/** A token after a layer; layer -1 is its embedding. */
export interface Spot {
  layer: number;
  token: number;
}

export interface Layout {
  /** The tokens that are shown, a column each: a window, and always the last one. */
  tokens: number[];
  /** The column of each token, or -1. */
  columns: Int32Array;
  layers: number;
  parallel: boolean;
  pitchX: number;
  pitchY: number;
  width: number;
  height: number;
}

export const margin = { left: 30, right: 14, top: 40, bottom: 5 };
const narrowest = 8; // px a token
export const widest = 128;
/** How much of a layer's height its attention takes; above it comes the MLP. */
const attentionShare = 0.7;

export const mostColumns = (width: number): number => Math.max(2, Math.floor((width - margin.left - margin.right) / narrowest));

/** How wide the picture of so many tokens wants to be. */
export const wishedWidth = (tokens: number): number => tokens * widest + margin.left + margin.right;

/** The last window that makes sense begins here; 0 where all tokens fit. */
export const lastWindow = (tokens: number, width: number): number => Math.max(0, tokens - mostColumns(width));

export function graphLayout(viewState: ViewState, width: number, first: number): Layout {
  const { n_tokens: all, n_layers: layers, parallel = false } = viewState;
  const shown = Math.min(all, mostColumns(width));
  const start = Math.min(first, all - shown);
  const tokens = [...range(start, start + shown - 1), all - 1];
  const columns = new Int32Array(all).fill(-1);
  tokens.forEach((token, column) => (columns[token] = column));
  const pitchX = Math.min(widest, (width - margin.left - margin.right) / shown);
  const pitchY = Math.min(44, Math.max(6, 520 / layers));
  const size = { width: Math.ceil(margin.left + margin.right + shown * pitchX), height: Math.ceil(margin.top + margin.bottom + layers * pitchY) };
  return { tokens, columns, layers, parallel, pitchX, pitchY, ...size };
}

export const columnX = ({ pitchX }: Layout, column: number): number => margin.left + (column + 0.5) * pitchX;
/** The height of a token after a layer. */
export const layerY = ({ height, pitchY }: Layout, layer: number): number => height - margin.bottom - (layer + 1) * pitchY;
export const spotX = (layout: Layout, { token }: Spot): number => columnX(layout, layout.columns[token]);

/** How an arc bends, as shares of its way across and up at its two control points: it leaves aslant and comes in from below. */
export const bend = { x: [0.3, 1], y: [0.22, 0.42] } as const;

/** A cubic Bézier from 0 to 1, and its slope. */
const bezier = (along: number, [first, second]: readonly [number, number]): number =>
  3 * first * along * (1 - along) ** 2 + 3 * second * along ** 2 * (1 - along) + along ** 3;
const slope = (along: number, [first, second]: readonly [number, number]): number =>
  3 * first * (1 - along) ** 2 + 6 * (second - first) * along * (1 - along) + 3 * (1 - second) * along ** 2;

/** Where within a layer an edge begins and ends. */
function span(layout: Layout, layer: number, mlp: boolean): [from: number, to: number] {
  const below = layerY(layout, layer - 1);
  if (layout.parallel) return [below, below - layout.pitchY];
  const middle = below - attentionShare * layout.pitchY;
  return mlp ? [middle, below - layout.pitchY] : [below, middle];
}

export enum Shape {
  residual,
  arc,
  /** A head that reads its own token. */
  own,
  mlp,
}

/** What is drawn, one after another: an edge, or an arc that grows because another head joins it. */
export interface Strokes {
  count: number;
  shape: Uint8Array;
  x0: Float32Array;
  y0: Float32Array;
  x1: Float32Array;
  y1: Float32Array;
  /** Of so many widths, which; from the weight. */
  width: Uint8Array;
  /** From a trace of more edges than this on. */
  rank: Int32Array;
}

/** Heads that read the same token for the same target in one layer share an arc. */
export interface Arc {
  layer: number;
  source: number;
  target: number;
  /** Edges of its heads, in the order of the trace. */
  edges: number[];
  /** Of all of them. */
  weight: number;
}

export interface Scene {
  edges: GraphEdges;
  layout: Layout;
  heads: number;
  /** The toggle that holds for an edge. */
  stateOf(edge: number): ToggleState;
  strokes: Strokes;
  /** By layer. */
  arcs: Arc[][];
  /** The edges that are shown, those that are switched on before the trace's. */
  shown: Int32Array;
  /** From a trace of more edges than this on: -1 for those that are switched on. */
  ranks: Int32Array;
}

export const widths = 8;
const widthOf = (weight: number): number => Math.min(widths - 1, Math.floor(widths * Math.sqrt(Math.max(0, weight))));

/** The strokes of the edges between the tokens that are shown, without those that are switched off. */
export function graphScene(viewState: ViewState, edges: GraphEdges, layout: Layout, toggles: Toggles): Scene {
  const heads = viewState.n_heads;
  const state = edgeState(toggles, heads);
  const stateOf = (edge: number) => state(edges.layer[edge], edges.part[edge], edges.target[edge], edges.source[edge]);
  const { columns } = layout;
  const shown: [rank: number, edge: number][] = [];
  for (let edge = 0; edge < edges.count; edge += 1) {
    if (columns[edges.target[edge]] < 0 || columns[edges.source[edge]] < 0) continue;
    const switched = stateOf(edge);
    if (switched !== "off") shown.push([switched === "on" ? -1 : edge, edge]);
  }
  if (Object.keys(toggles).length > 0) shown.sort((first, second) => first[0] - second[0] || first[1] - second[1]);
  const strokes = emptyStrokes(shown.length);
  const arcs: Arc[][] = range(layout.layers).map(() => []);
  const known = new Map<number, Arc>();
  for (const [rank, edge] of shown) {
    const [layer, part, target, source] = [edges.layer[edge], edges.part[edge], edges.target[edge], edges.source[edge]];
    let [weight, before] = [edges.weight[edge], -1];
    if (part < heads) {
      const key = (layer * viewState.n_tokens + target) * viewState.n_tokens + source;
      let arc = known.get(key);
      if (!arc) {
        arc = { layer, source, target, edges: [], weight: 0 };
        known.set(key, arc);
        arcs[layer].push(arc);
      } else before = widthOf(arc.weight);
      arc.edges.push(edge);
      weight = arc.weight += weight;
    }
    const width = widthOf(weight);
    if (width === before) continue; // the arc is there already, as wide
    addStroke(strokes, edges, edge, heads, layout, width, rank);
  }
  return { edges, layout, heads, stateOf, strokes, arcs, shown: Int32Array.from(shown, ([, edge]) => edge), ranks: Int32Array.from(shown, ([rank]) => rank) };
}

/** Some edges, each as a stroke of its own; none of those whose tokens are not shown. */
export function strokesOf({ edges, layout, heads }: Scene, chosen: readonly number[]): Strokes {
  const strokes = emptyStrokes(chosen.length);
  for (const edge of chosen) {
    if (layout.columns[edges.source[edge]] < 0 || layout.columns[edges.target[edge]] < 0) continue;
    addStroke(strokes, edges, edge, heads, layout, widthOf(edges.weight[edge]), edge);
  }
  return strokes;
}

function emptyStrokes(most: number): Strokes {
  const numbers = () => new Float32Array(most);
  return { count: 0, shape: new Uint8Array(most), x0: numbers(), y0: numbers(), x1: numbers(), y1: numbers(), width: new Uint8Array(most), rank: new Int32Array(most) };
}

function addStroke(strokes: Strokes, edges: GraphEdges, edge: number, heads: number, layout: Layout, width: number, rank: number): void {
  const at = strokes.count++;
  const [part, source, target] = [edges.part[edge], edges.source[edge], edges.target[edge]];
  strokes.shape[at] = part === heads + 1 ? Shape.mlp : part >= heads ? Shape.residual : source === target ? Shape.own : Shape.arc;
  [strokes.y0[at], strokes.y1[at]] = span(layout, edges.layer[edge], part > heads);
  strokes.x0[at] = columnX(layout, layout.columns[source]);
  strokes.x1[at] = columnX(layout, layout.columns[target]);
  strokes.width[at] = width;
  strokes.rank[at] = rank;
}

/** How many strokes the trace of so many edges has. */
export const strokesUpTo = ({ rank, count }: Strokes, nEdges: number): number => bisectLeft(rank, nEdges, 0, count);
/** How many of its edges are shown. */
export const edgesUpTo = ({ ranks }: Scene, nEdges: number): number => bisectLeft(ranks, nEdges);

/** Whether the subgraph of a size has an edge: the trace, or a toggle. */
export function isKeptIn(scene: Scene, edge: number, nEdges: number): boolean {
  const state = scene.stateOf(edge);
  return state === "auto" ? edge < nEdges : state === "on";
}

/** The node within reach of a point, or null. */
export function spotAt(layout: Layout, x: number, y: number, reach: number): Spot | null {
  const column = Math.round((x - margin.left) / layout.pitchX - 0.5);
  const layer = Math.round((layout.height - margin.bottom - y) / layout.pitchY) - 1;
  if (column < 0 || column >= layout.tokens.length || layer < -1 || layer >= layout.layers) return null;
  const near = Math.hypot(x - columnX(layout, column), y - layerY(layout, layer)) <= reach;
  return near ? { layer, token: layout.tokens[column] } : null;
}

/** The arc in the subgraph of so many edges that runs nearest to a point, within reach; of two alike the heavier one. */
export function arcAt(scene: Scene, nEdges: number, x: number, y: number, reach: number): Arc | null {
  const { layout, arcs, edges } = scene;
  const isKept = (edge: number) => isKeptIn(scene, edge, nEdges);
  const layer = Math.floor((layout.height - margin.bottom - y) / layout.pitchY);
  if (!arcs[layer]) return null;
  const [y0, y1] = span(layout, layer, false);
  const along = invert((y0 - y) / (y0 - y1));
  if (along === null) return null;
  // All arcs of a layer are as high at the same place along them.
  const across = bezier(along, bend.x);
  let [best, nearest] = [null as Arc | null, reach];
  for (const arc of arcs[layer]) {
    if (arc.source === arc.target || !arc.edges.some(isKept)) continue;
    const [x0, x1] = [columnX(layout, layout.columns[arc.source]), columnX(layout, layout.columns[arc.target])];
    const [slopeX, slopeY] = [(x1 - x0) * slope(along, bend.x), (y1 - y0) * slope(along, bend.y)];
    const distance = (Math.abs(x0 + (x1 - x0) * across - x) * Math.abs(slopeY)) / Math.hypot(slopeX, slopeY);
    if (distance < nearest - 0.5 || (distance < nearest + 0.5 && distance <= reach && best !== null && weightOf(arc, edges, isKept) > weightOf(best, edges, isKept))) {
      [best, nearest] = [arc, Math.min(nearest, distance)];
    }
  }
  return best;
}

const weightOf = (arc: Arc, { weight }: GraphEdges, isKept: (edge: number) => boolean): number =>
  arc.edges.reduce((sum, edge) => sum + (isKept(edge) ? weight[edge] : 0), 0);

/** Where along an arc it has risen by a share; null beside it. */
function invert(share: number): number | null {
  if (share < 0 || share > 1) return null;
  let [low, high] = [0, 1];
  for (let step = 0; step < 16; step += 1) {
    const middle = (low + high) / 2;
    if (bezier(middle, bend.y) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The edges into a token in a layer, the heaviest first. */
export function edgesInto({ count, layer, target, weight }: GraphEdges, spot: Spot): number[] {
  const found: number[] = [];
  for (let edge = 0; edge < count; edge += 1) if (layer[edge] === spot.layer && target[edge] === spot.token) found.push(edge);
  return found.sort((first, second) => weight[second] - weight[first] || first - second);
}
