// What can stand on the curve's y axis. Another quantity is another entry, named as in the arrays, results and curves.
import type { Arrays, Curve, Prediction } from "../protocol/types";

type Key = keyof Arrays & keyof Prediction;

export interface Quantity {
  /** Where its numbers are, under the same name: at the levels, and of one result. */
  key: { [Name in Key]: Prediction[Name] extends number | null ? Name : never }[Key];
  /** The same of other curves, each of which is drawn where it has it. */
  ofCurve?: { [Name in keyof Curve]-?: NonNullable<Curve[Name]> extends readonly (number | null)[] ? Name : never }[keyof Curve];
  name: string;
  about: string;
  /** Where its axis ends, if that is not the largest number there is. */
  most?: number;
}

export const quantities: readonly Quantity[] = [
  { key: "total_variation", ofCurve: "total_variation", name: "TV", about: "total variation", most: 1 },
  { key: "kl", ofCurve: "kl", name: "KL", about: "Kullback-Leibler divergence, nats" },
];

/** Where the axis of a quantity ends, for the levels from a size on: what is beyond, or infinite, lies on its upper edge. */
export function mostOf({ key, most }: Quantity, arrays: Arrays, start: number): number {
  const shown = Array.from(arrays[key]).filter((value, level) => arrays.level_n_edges[level] >= start && Number.isFinite(value));
  return most ?? (Math.max(0, ...shown) || 1);
}
