// What holds at a size: the computed levels, and between two of them a straight line in log(edges).
import { bisectRight, leastIndex, range } from "d3-array";
import type { ViewState } from "../protocol/types";

/** Where a size lies among the levels: `mix` is 0 on the lower level and grows to 1 at the upper one. */
export interface LevelPosition {
  lower: number;
  upper: number;
  mix: number;
}

type Numbers = Int32Array | Float32Array | Uint8Array;

export function locate(levels: Int32Array, nEdges: number): LevelPosition {
  const last = levels.length - 1;
  const lower = Math.max(0, bisectRight(levels, nEdges) - 1);
  const upper = Math.min(last, lower + 1);
  if (upper === lower || nEdges <= levels[lower]) return { lower, upper: lower, mix: 0 };
  const mix = Math.log(nEdges / levels[lower]) / Math.log(levels[upper] / levels[lower]);
  return { lower, upper, mix };
}

/** Before the first levels were run, the whole graph is the only one: then no size can be read. */
export const haveLevels = ({ arrays }: ViewState): boolean => arrays.level_n_edges.length > 1;

/** True where the numbers of a level hold as they are. */
export const isComputed = (levels: Int32Array, nEdges: number): boolean => levels[locate(levels, nEdges).lower] === nEdges;

/** One number per level, read at a position. */
export function valueAt(values: Numbers, { lower, upper, mix }: LevelPosition): number {
  // Not `a + (b - a) * mix`: an infinite KL would turn into NaN.
  return mix === 0 ? values[lower] : values[lower] * (1 - mix) + values[upper] * mix;
}

/** `width` numbers per level, read at a position. */
export function rowAt(values: Numbers, position: LevelPosition, width: number): Float32Array {
  const { lower, upper, mix } = position;
  const row = new Float32Array(width);
  for (let index = 0; index < width; index += 1) {
    row[index] = values[lower * width + index] * (1 - mix) + values[upper * width + index] * mix;
  }
  return row;
}

/** The same for counts, which stay whole. */
export function countsAt(values: Int32Array | Uint8Array, { lower, upper, mix }: LevelPosition, width: number): Int32Array {
  const row = new Int32Array(width);
  for (let index = 0; index < width; index += 1) {
    row[index] = Math.round(values[lower * width + index] * (1 - mix) + values[upper * width + index] * mix);
  }
  return row;
}

/** The computed level before or after a size, for a larger step of the slider. */
export function neighbouringLevel(levels: Int32Array, nEdges: number, direction: 1 | -1): number {
  const after = bisectRight(levels, nEdges);
  if (direction === 1) return levels[Math.min(after, levels.length - 1)];
  const here = levels[Math.max(0, after - 1)];
  return here < nEdges ? here : levels[Math.max(0, after - 2)];
}

/** Indices of the `count` largest values, the largest first. */
export function leading(values: Float32Array, count: number): number[] {
  return range(values.length)
    .sort((first, second) => values[second] - values[first] || first - second)
    .slice(0, count);
}

export const largest = (values: Float32Array): number => leastIndex(values, (first, second) => second - first) ?? -1;
