// What groups of prompts have on average: their curves, their use of heads and MLPs, and how sure a difference is.
import type { Prompts } from "./prompts";

/** At each size; not-a-number without a prompt. */
export interface MeanCurve {
  n: number;
  mean: Float64Array;
  lower: Float64Array;
  upper: Float64Array;
}

const bins = 400; // quartiles to 0.0025

/** The mean and the quartiles of the curves of a group; quartiles to the width of a bin. */
export function meanCurve(curves: Float32Array, width: number, mask: Uint8Array): MeanCurve {
  const sums = new Float64Array(width);
  const counts = new Int32Array(width * (bins + 1));
  let n = 0;
  for (let row = 0; row < mask.length; row += 1) {
    const start = row * width;
    if (!mask[row] || Number.isNaN(curves[start])) continue; // a prompt that failed
    n += 1;
    for (let at = 0; at < width; at += 1) {
      const error = curves[start + at];
      sums[at] += error;
      counts[at * (bins + 1) + Math.max(0, Math.min(bins, Math.round(error * bins)))] += 1;
    }
  }
  const quantile = (share: number) =>
    Float64Array.from({ length: width }, (_, at) => {
      let seen = 0;
      for (let bin = 0; bin <= bins; bin += 1) {
        seen += counts[at * (bins + 1) + bin];
        if (n > 0 && seen >= share * n) return bin / bins;
      }
      return NaN;
    });
  return { n, mean: sums.map((sum) => sum / n), lower: quantile(0.25), upper: quantile(0.75) };
}

export type UseBy = "use" | "density";

/**
 * Of each head and MLP of a model, on average over a group's prompts: whether it has an edge in the trace, or how many of
 * its edges are there. Not-a-number without a prompt.
 */
export function meanUse(prompts: Prompts, use: Uint8Array, mask: Uint8Array, model: number, by: UseBy): Float32Array {
  const { components, models, reasons } = prompts;
  const sums = new Float64Array(components);
  let n = 0;
  for (let row = 0; row < mask.length; row += 1) {
    if (!mask[row] || models[row] !== model || reasons[row]) continue;
    n += 1;
    const start = row * components;
    if (by === "use") for (let at = 0; at < components; at += 1) sums[at] += use[start + at] > 0 ? 1 : 0;
    else for (let at = 0; at < components; at += 1) sums[at] += use[start + at];
  }
  return Float32Array.from(sums, (sum) => sum / n / (by === "use" ? 1 : 255));
}

/** The difference of two groups' mean curves, and its 95 % interval. */
export interface Difference {
  mean: Float64Array;
  low: Float64Array;
  high: Float64Array;
}

const resamples = 400;

/**
 * The difference of two groups' mean curves with a percentile bootstrap over prompts, by steps, so that the page stays
 * alive meanwhile. The same groups have the same interval.
 */
export function* difference(curves: Float32Array, width: number, first: readonly number[], second: readonly number[]): Generator<void, Difference> {
  const random = generator(first.length * 7919 + second.length);
  const known = (rows: readonly number[]) => rows.filter((row) => !Number.isNaN(curves[row * width]));
  const groups = [known(first), known(second)];
  const meanOf = (pick: (rows: readonly number[], index: number) => number) => {
    const means = groups.map((rows) => {
      const sums = new Float64Array(width);
      for (let index = 0; index < rows.length; index += 1) {
        const start = pick(rows, index) * width;
        for (let at = 0; at < width; at += 1) sums[at] += curves[start + at];
      }
      return sums.map((sum) => sum / rows.length);
    });
    return means[0].map((mean, at) => mean - means[1][at]);
  };
  const drawn: Float64Array[] = [];
  for (let each = 0; each < resamples; each += 1) {
    drawn.push(meanOf((rows) => rows[Math.floor(random() * rows.length)]));
    yield;
  }
  const sorted = Array.from({ length: width }, (_, at) => Float64Array.from(drawn, (sample) => sample[at]).sort());
  const at = (share: number) => Float64Array.from(sorted, (values) => values[Math.round(share * (resamples - 1))]);
  return { mean: meanOf((rows, index) => rows[index]), low: at(0.025), high: at(0.975) };
}

/** A linear congruential generator with the constants of Numerical Recipes: a number from 0 to 1 at each call. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(1664525, state) + 1013904223) >>> 0) / 4294967296;
}
