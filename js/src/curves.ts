// Other curves on the same axes: what they read at a size, and where their labels go.
import type { Curve } from "./state";

/** An inverse or random baseline in words; a measure by its name. */
export const curveName = (name: string): string => (name === "random" ? "random order" : name === "inverse" ? "inverse trace" : name);

/** Dashes that tell lines apart without colour. */
export const dashes = ["7 3", "2 3", "9 3 2 3", "4 2", "12 4", "7 3 2 3 2 3", "1 4", "14 3 4 3"];

/** The error at a size, on a straight line in log(edges) between two computed ones. */
export function curveAt({ n_edges, total_variation }: Curve, nEdges: number): number {
  const upper = n_edges.findIndex((size) => size >= nEdges);
  if (upper === -1) return total_variation[total_variation.length - 1];
  if (upper === 0 || n_edges[upper] === nEdges) return total_variation[upper];
  const mix = Math.log(nEdges / n_edges[upper - 1]) / Math.log(n_edges[upper] / n_edges[upper - 1]);
  return total_variation[upper - 1] * (1 - mix) + total_variation[upper] * mix;
}

export interface PlacedCurve {
  name: string;
  points: [x: number, y: number][];
  dash: string;
  labelX: number;
  labelY: number;
  anchor: "start" | "end";
}

/**
 * The lines in pixels, each labelled where it last crosses a height of its own: at their ends all errors are about
 * the same, so that labels there would lie over each other.
 */
export function placeCurves(
  curves: readonly Curve[],
  toX: (nEdges: number) => number,
  toY: (error: number) => number,
  width: number,
): PlacedCurve[] {
  return curves.map((curve, index) => {
    const points = curve.n_edges.map((size, level): [number, number] => [toX(size), toY(curve.total_variation[level])]);
    const height = toY(0.9 - (0.8 * (index + 0.5)) / curves.length);
    const [x, y] = lastCrossing(points, height);
    const anchor = x < width / 2 ? "start" : "end";
    const dash = dashes[index % dashes.length];
    return { name: curveName(curve.name), points, dash, labelX: x + (anchor === "start" ? 5 : -5), labelY: y + 4, anchor };
  });
}

function lastCrossing(points: [number, number][], height: number): [number, number] {
  for (let index = points.length - 1; index > 0; index -= 1) {
    const [[fromX, fromY], [toX, toY]] = [points[index - 1], points[index]];
    if ((fromY - height) * (toY - height) <= 0 && fromY !== toY) return [fromX + ((toX - fromX) * (height - fromY)) / (toY - fromY), height];
  }
  return points[points.length - 1] ?? [0, height];
}
