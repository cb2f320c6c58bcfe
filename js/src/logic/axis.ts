// The axis of sizes: from where something happens to all edges, with the sizes before that folded into a narrow strip.
import { range } from "d3-array";
import { scaleLinear, scaleLog, type ScaleContinuousNumeric } from "d3-scale";
import type { ViewState } from "../protocol/types";
import { formatSize } from "./scales";

/** Sizes to pixels. */
export type SizeScale = ScaleContinuousNumeric<number, number>;
export type Spacing = "log" | "linear";

export interface Axis {
  /** All edges of the model. */
  nEdges: number;
  /** From here on sizes have the whole width; the smaller ones are folded, where there are any. */
  start: number;
  spacing: Spacing;
}

/** Up to this error all that is said is that nothing is said yet. */
const nothingYet = Math.fround(0.95); // as the levels have it
/** What is worth folding, as a share of the whole axis. */
const worthFolding = 0.1;
const foldWidth = 24; // px

/** From where something happens: the last level at which the subgraph says next to nothing; 1 where hardly any width is won. */
export function whereItBegins({ arrays, n_edges }: ViewState): number {
  const said = Array.from(arrays.total_variation).reverse().findIndex((error) => error >= nothingYet);
  const start = said < 0 ? 1 : arrays.level_n_edges[arrays.level_n_edges.length - 1 - said];
  return start < n_edges && Math.log(start) > worthFolding * Math.log(n_edges) ? start : 1;
}

/** Where the folded sizes end, in pixels. */
export const foldEnd = ({ start }: Axis): number => (start > 1 ? foldWidth : 0);

export function sizeScale({ nEdges, start, spacing }: Axis, width: number): SizeScale {
  const all = Math.max(2, nEdges);
  const scale = spacing === "log" ? scaleLog() : scaleLinear();
  return start > 1 ? scale.domain([1, start, all]).range([0, foldWidth, width]).clamp(true) : scale.domain([1, all]).range([0, width]).clamp(true);
}

/** Between two computed sizes all is straight in log(edges): sizes by which it is drawn where the axis is another. */
export function drawnSizes(levels: ArrayLike<number>, spacing: Spacing): number[] {
  const steps = spacing === "log" ? 1 : 6;
  return Array.from(levels).flatMap((size, index) =>
    index === 0 ? [size] : range(1, steps + 1).map((step) => (step === steps ? size : levels[index - 1] * (size / levels[index - 1]) ** (step / steps))),
  );
}

export interface Tick {
  nEdges: number;
  label: string;
  x: number;
}

const tickRoom = 46; // px

/** Round sizes s as far as there is room between "1 edge" and "s = 1": on a log axis the roundest of them first. */
export function sizeTicks(axis: Axis, scale: SizeScale): Tick[] {
  const { nEdges, start } = axis;
  const ticks: Tick[] = [];
  const place = (size: number, label: string) => {
    const x = scale(size);
    if (ticks.every((tick) => Math.abs(tick.x - x) >= tickRoom)) ticks.push({ nEdges: size, label, x });
  };
  place(nEdges, "s = 1");
  if (start === 1) place(1, "1 edge");
  for (const size of roundShares(axis, scale).map((share) => share * nEdges)) {
    if (size > start && size < nEdges && scale(size) >= foldEnd(axis) + tickRoom / 4) place(size, formatSize(size / nEdges));
  }
  return ticks.sort((first, second) => first.x - second.x);
}

function roundShares({ nEdges, start, spacing }: Axis, scale: SizeScale): number[] {
  if (spacing === "linear") {
    const wide = (step: number) => scale(nEdges) - scale(Math.max(start, nEdges * (1 - step))) >= tickRoom;
    const step = [0.1, 0.2, 0.25].find(wide) ?? 0.5;
    return range(1, Math.round(1 / step)).map((count) => count * step);
  }
  const decades = range(Math.ceil(Math.log10(Math.max(2, nEdges)))).map((exponent) => 10 ** -exponent);
  return [1, 5, 2, 3, 7].flatMap((digit) => decades.map((decade) => (digit * decade) / (digit > 1 ? 10 : 1)));
}
