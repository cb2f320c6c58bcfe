// The plot of error against size, in pixels: its measures, its scales, and the outlines of the trace's own curve.
import type { ScaleLogarithmic } from "d3-scale";
import { area, line } from "d3-shape";
import type { ViewState } from "../protocol/types";
import type { PlacedLandmark } from "./landmarks";

export const plotHeight = 92;
export const plotMargin = { left: 42, right: 16, bottom: 22 };
/** One line of labels over the plot. */
export const labelHeight = 15;

export interface Plot {
  /** Between the margins. */
  width: number;
  /** What the lines of labels take over the plot. */
  top: number;
  scale: ScaleLogarithmic<number, number>;
  landmarks: PlacedLandmark[];
  curve: CurveOutline;
}

/** The trace's own curve: its points, and the `d` of the paths that draw it. */
export interface CurveOutline {
  points: [x: number, y: number][];
  line?: string;
  /** The area under it: up to where the model's top token returns for good, and from there on. */
  before?: string;
  after?: string;
}

export const toY = (totalVariation: number): number => plotHeight * (1 - totalVariation);

export function curveOutline({ arrays, landmarks }: ViewState, toX: (nEdges: number) => number): CurveOutline {
  const levels = arrays.level_n_edges;
  const indices = Array.from(levels.keys());
  const returns = landmarks.find(({ key }) => key === "top1")?.n_edges ?? Infinity;
  const x = (index: number) => toX(levels[index]);
  const y = (index: number) => toY(arrays.total_variation[index]);
  const fill = area<number>().x(x).y1(y).y0(plotHeight);
  return {
    points: indices.map((index) => [x(index), y(index)]),
    line: line<number>().x(x).y(y)(indices) ?? undefined,
    before: fill(indices.filter((index) => levels[index] <= returns)) ?? undefined,
    after: fill(indices.filter((index) => levels[index] >= returns)) ?? undefined,
  };
}

/** Which part of a label stands at its place on the axis: near an edge, the one that keeps it inside the plot. */
export const tickAnchor = (x: number, width: number): "start" | "middle" | "end" => (x < 12 ? "start" : x > width - 12 ? "end" : "middle");
