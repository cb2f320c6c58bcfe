// Share against effect: where each head and MLP lies, which is under the pointer, and which are in a box.
import { least, range } from "d3-array";
import { componentOf, idleTo, vitalFrom, type Effects, type Mark } from "./effects";
import { headKey, mlpKey } from "./toggles";

export interface Point {
  key: string;
  /** Its place in the arrays. */
  index: number;
  x: number;
  y: number;
  mlp: boolean;
  mark: Mark;
}

export interface Frame {
  width: number;
  height: number;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const margin = { left: 56, right: 14, top: 10, bottom: 34 };
/** What changes less than this is drawn at the bottom. */
export const faintest = 0.001;
export const errorTicks = [1, vitalFrom, idleTo, faintest];

/** The share of edges, linear. */
export const shareX = (share: number, { width }: Frame): number => share * width;
/** Total variation on a log scale, from 0.001 to 1. */
export const effectY = (effect: number, { height }: Frame): number =>
  (height * Math.log10(Math.max(faintest, Math.min(1, effect)))) / Math.log10(faintest);

/** The places in the arrays of those that are known, the strongest first. */
export const byStrength = ({ totalVariation }: Effects): number[] =>
  range(totalVariation.length)
    .filter((index) => !Number.isNaN(totalVariation[index]))
    .sort((first, second) => totalVariation[second] - totalVariation[first] || first - second);

/** Their points, in that order. */
export function scatterPoints(order: readonly number[], shares: Float32Array, effects: Effects, marks: readonly Mark[], heads: number, frame: Frame): Point[] {
  return order.map((index) => {
    const { layer, head } = componentOf(index, heads);
    const mlp = head === "mlp";
    const key = mlp ? mlpKey(layer) : headKey(layer, head);
    return { key, index, mlp, mark: marks[index], x: shareX(shares[index], frame), y: effectY(effects.totalVariation[index], frame) };
  });
}

/** Points of no length: the style sheet gives the line its width, and its ends their shape. */
export const dots = (points: readonly Point[]): string => points.map(({ x, y }) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join("");

const reach = 14; // px

/** The point nearest to a place, or undefined where none is near. */
export function nearest(points: readonly Point[], x: number, y: number): Point | undefined {
  const distance = (point: Point) => Math.hypot(point.x - x, point.y - y);
  const found = least(points, (first, second) => distance(first) - distance(second));
  return found && distance(found) <= reach ? found : undefined;
}

export const inBox = (points: readonly Point[], { left, top, right, bottom }: Box): string[] =>
  points.filter(({ x, y }) => x >= left && x <= right && y >= top && y <= bottom).map(({ key }) => key);
