// Other curves on the same axes: what they read at a size, and where their labels go.
import { cross, pairs, range, sum } from "d3-array";
import { schemeDark2, schemeSet2 } from "d3-scale-chromatic";
import type { Curve } from "../protocol/types";
import type { Point } from "./lines";
import type { Quantity } from "./quantities";
import { formatDistance, type Theme } from "./scales";

const names: Record<string, string> = { random: "random order", inverse: "inverse trace", refining: "best so far" };

/** A baseline, or what refining has found, in words; a measure by its name. */
export const curveName = (name: string): string => names[name] ?? name;

/** Dashes that tell lines apart without colour, and marks for them: `d` around the origin. */
export const dashes = ["7 3", "2 3", "9 3 2 3", "4 2", "12 4", "7 3 2 3 2 3", "1 4", "14 3 4 3"];
export const marks = ["M0-4 3.5 2.5H-3.5Z", "M-3-3H3V3H-3Z", "M0-4 4 0 0 4-4 0Z", "M0 4 3.5-2.5H-3.5Z", "M-3 0A3 3 0 1 0 3 0A3 3 0 1 0-3 0", "M-3-3 3 3M3-3-3 3", "M0-4V4M-4 0H4", "M-4-2H4V2H-4Z"];
/** Dark on a light page, light on a dark one, the same hues in the same order: without the yellow, and the grey that baselines have. */
const hues = [2, 0, 3, 4, 6, 1];
const colours: Record<Theme, readonly string[]> = { light: schemeDark2, dark: schemeSet2 };

/** How a curve is told from the others: by colour, dashes and mark. */
export const curveStyle = (theme: Theme, index: number) => ({ colour: colours[theme][hues[index % hues.length]], dash: dashes[index % dashes.length], mark: marks[index % marks.length] });

type Error = NonNullable<Quantity["ofCurve"]>;

/** The error at a size, on a straight line in log(edges) between two computed ones; NaN before the first of them. */
export function curveAt(curve: Curve, nEdges: number, error: Error = "total_variation"): number {
  const { n_edges } = curve;
  const values = (curve[error] ?? []).map((value) => value ?? Infinity);
  const upper = n_edges.findIndex((size) => size >= nEdges);
  if (upper === -1) return values[values.length - 1];
  if (n_edges[upper] === nEdges) return values[upper];
  if (upper === 0) return NaN;
  const mix = Math.log(nEdges / n_edges[upper - 1]) / Math.log(n_edges[upper] / n_edges[upper - 1]);
  return values[upper - 1] * (1 - mix) + values[upper] * mix;
}

/** The area over s under TV, from 1 at s = 0: one number for the error at all sizes. */
export function areaUnder({ n_edges, total_variation }: { n_edges: ArrayLike<number>; total_variation: ArrayLike<number> }): number {
  const points = Array.from(n_edges, (size, level): Point => [size / n_edges[n_edges.length - 1], total_variation[level]]);
  return sum(pairs([[0, 1] as Point, ...points]), ([[from, before], [to, after]]) => ((to - from) * (before + after)) / 2);
}

/** The computed points that carry a mark: as many as keep some distance. */
export function marked(points: readonly Point[], apart = 70): Point[] {
  let last = -Infinity;
  return points.filter(([x]) => x - last >= apart && ((last = x), true));
}

/** The places of curves, that of the smallest area first. */
export const byArea = (curves: readonly Curve[]): number[] => {
  const areas = curves.map(areaUnder);
  return range(curves.length).sort((first, second) => areas[first] - areas[second]);
};

/** Where an error is not known. */
export const unknown = "–";

/** The same as a text. */
export function errorAt(curve: Curve, nEdges: number): string {
  const error = curveAt(curve, nEdges);
  return Number.isNaN(error) ? unknown : formatDistance(error);
}

/** What is worth laying over another measure: the first of these that there is, else any other. */
const counterparts = ["refined", "l1"];

export const counterpartOf = (shown: string, importance: readonly string[]): string | undefined =>
  [...counterparts.filter((name) => importance.includes(name)), ...importance].find((name) => name !== shown);

export interface PlacedCurve {
  name: string;
  kind: Curve["kind"];
  points: Point[];
  labelX: number;
  labelY: number;
  anchor: "start" | "end";
}

const labelHeight = 13; // px
const labelGap = 5; // px from the line
const characterWidth = 6.3; // px
const labelDescent = 3; // px
/** A label lies beside its line, or above or below where that is all but flat. */
const lifts = [4, -6, 17]; // px
/** Heights at which a label may lie on its line, as shares of the plot's: each curve begins its search at one of its own. */
const heights = Array.from({ length: 15 }, (_, step) => 0.92 - 0.06 * step);

/** A curve as a line in pixels. */
export type DrawnCurve = Pick<PlacedCurve, "name" | "kind" | "points">;

/**
 * Lines, each labelled where it last crosses some height: at their ends all errors are about the same, so that labels
 * there would lie over each other. Of all heights, right or left of the line, the first free place is taken, if there is
 * one, where no line runs through the label; `main` is the line of the trace itself.
 */
export function placeCurves(curves: readonly DrawnCurve[], width: number, height: number, main: Point[] = []): PlacedCurve[] {
  const placed: PlacedCurve[] = [];
  const lines = curves.map(({ points }) => points);
  curves.forEach(({ points, name, kind }, index) => {
    const begin = Math.floor((heights.length * (index + 0.5)) / curves.length);
    const crossings = [...heights.slice(begin), ...heights.slice(0, begin)].map((share) => lastCrossing(points, height * (1 - share)));
    const side = crossings[0][0] < width / 2 ? 1 : -1;
    const places = cross([side, -side], crossings);
    const candidates = cross(lifts, places, (lift, [towards, [x, y]]): PlacedCurve => ({
      name: curveName(name),
      kind,
      points,
      labelX: x + towards * labelGap,
      labelY: y + lift,
      anchor: towards === 1 ? "start" : "end",
    }));
    const isFree = (label: PlacedCurve) => isInside(label, width, height) && !placed.some((other) => overlap(label, other));
    const free = candidates.filter(isFree);
    placed.push(free.find((label) => ![main, ...lines].some((line) => strikes(line, label))) ?? free[0] ?? candidates[0]);
  });
  return placed;
}

/** The landmarks have their labels over the plot, the axis has its own below. */
function isInside(label: PlacedCurve, width: number, bottom: number): boolean {
  const [start, end] = labelSpan(label);
  const isBetween = label.labelY >= labelHeight / 2 && label.labelY <= bottom;
  return isBetween && start >= 0 && end <= width;
}

/** Whether a line runs through a label. */
function strikes(line: Point[], label: PlacedCurve): boolean {
  const [start, end] = labelSpan(label);
  return pairs(line).some(([[fromX, fromY], [toX, toY]]) => {
    const [first, last] = [Math.max(start, fromX), Math.min(end, toX)];
    if (first > last) return false;
    const ys = [first, last].map((x) => fromY + ((toY - fromY) * (x - fromX)) / (toX - fromX || 1));
    return Math.max(...ys) > label.labelY - labelHeight + labelDescent && Math.min(...ys) < label.labelY + labelDescent;
  });
}

function overlap(first: PlacedCurve, second: PlacedCurve): boolean {
  const [[firstStart, firstEnd], [secondStart, secondEnd]] = [first, second].map(labelSpan);
  return Math.abs(first.labelY - second.labelY) < labelHeight && firstStart < secondEnd && secondStart < firstEnd;
}

/** From where to where a label goes; its width could only be measured in a second layout. */
export function labelSpan({ name, labelX, anchor }: PlacedCurve): [start: number, end: number] {
  const length = name.length * characterWidth;
  return anchor === "start" ? [labelX, labelX + length] : [labelX - length, labelX];
}

function lastCrossing(points: Point[], height: number): Point {
  for (let index = points.length - 1; index > 0; index -= 1) {
    const [[fromX, fromY], [toX, toY]] = [points[index - 1], points[index]];
    if ((fromY - height) * (toY - height) <= 0 && fromY !== toY) return [fromX + ((toX - fromX) * (height - fromY)) / (toY - fromY), height];
  }
  return points[points.length - 1] ?? [0, height];
}
