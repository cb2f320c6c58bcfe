// What can stand on the curve's y axis. Another quantity is another entry, named as in the arrays, results and curves.
import type { Arrays, Curve, Prediction } from "../protocol/types";

type Key = keyof Arrays & keyof Prediction;

export interface Quantity {
  /** Where its numbers are, under the same name: at the levels, and of one result. */
  key: { [Name in Key]-?: NonNullable<Prediction[Name]> extends number ? Name : never }[Key];
  /** The same of other curves, each of which is drawn where it has it. */
  ofCurve?: { [Name in keyof Curve]-?: NonNullable<Curve[Name]> extends readonly (number | null)[] ? Name : never }[keyof Curve];
  name: string;
  about: string;
  /** What it is against size. */
  title: string;
  /** Where its axis ends, if that is not the largest number there is. */
  most?: number;
  /** What its axis reaches at least, where it may go beyond on either side. */
  whole?: number;
}

export const quantities: readonly Quantity[] = [
  { key: "total_variation", ofCurve: "total_variation", name: "TV", about: "total variation", title: "Error against size", most: 1 },
  { key: "kl", ofCurve: "kl", name: "KL", about: "Kullback-Leibler divergence, nats", title: "Error against size" },
  { key: "faithfulness", ofCurve: "faithfulness", name: "f", about: "faithfulness: how much of the target's figure there is", title: "Faithfulness against size", whole: 1 },
];

const none = new Float32Array();

/** The numbers of a quantity at the levels; none where it is not known. */
export const levelsOf = ({ key }: Pick<Quantity, "key">, arrays: Arrays): Float32Array | Uint8Array => arrays[key] ?? none;

/** Those that can be drawn: faithfulness is that of a target. */
export const known = (arrays: Arrays): Quantity[] => quantities.filter((quantity) => levelsOf(quantity, arrays).length > 0);

/** Where the axis of a quantity ends, for the levels from a size on: what is beyond, or infinite, lies on its upper edge. */
export const mostOf = (quantity: Quantity, arrays: Arrays, start: number): number =>
  quantity.most ?? (Math.max(quantity.whole ?? 0, ...shown(quantity, arrays, start)) || 1);

/** Where it begins: at 0, but for what goes below. */
export const leastOf = (quantity: Quantity, arrays: Arrays, start: number): number =>
  quantity.whole === undefined ? 0 : Math.min(0, ...shown(quantity, arrays, start));

const shown = (quantity: Quantity, arrays: Arrays, start: number): number[] =>
  Array.from(levelsOf(quantity, arrays)).filter((value, level) => arrays.level_n_edges[level] >= start && Number.isFinite(value));

/** Where the axis has its lines: at its ends and between, or at nothing and the whole, and at ends that are far from those. */
export function linesOf({ whole }: Quantity, least: number, most: number): number[] {
  if (whole === undefined) return [most, most / 2, 0];
  const far = (most - least) / 8;
  return [...(most - whole > far ? [most] : []), whole, 0, ...(least < -far ? [least] : [])];
}
