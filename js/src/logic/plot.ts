// The plot of a quantity against size, in pixels: its measures, its scales, and the outlines of the trace's own curve.
import type { ViewState } from "../protocol/types";
import { drawnSizes, type Axis, type SizeScale, type Tick } from "./axis";
import type { PlacedLandmark } from "./landmarks";
import { locate, valueAt } from "./levels";
import { between, polyline, type Point } from "./lines";
import { levelsOf, type Quantity } from "./quantities";

export const plotHeight = 160;
export const plotMargin = { left: 42, right: 16, top: 30, bottom: 22 };

export interface Plot {
  /** Between the margins. */
  width: number;
  axis: Axis;
  scale: SizeScale;
  ticks: Tick[];
  quantity: Quantity;
  /** Where the y axis ends, and where it begins. */
  most: number;
  least: number;
  landmarks: PlacedLandmark[];
  curve: CurveOutline;
}

/** The trace's own curve: its points, and the `d` of the paths that draw it. */
export interface CurveOutline {
  points: Point[];
  line?: string;
  /** The area under it: up to where the model's top token returns for good, and from there on. */
  before?: string;
  after?: string;
}

/** A number as a height: what is beyond the axis lies on its edge. */
export const heightOf = (value: number, { most, least }: Pick<Plot, "most" | "least">): number => plotHeight * (1 - Math.min(1, Math.max(0, (value - least) / (most - least))));

export function curveOutline({ arrays, landmarks }: ViewState, plot: Pick<Plot, "axis" | "scale" | "quantity" | "most" | "least">): CurveOutline {
  const { axis, scale, quantity } = plot;
  const sizes = drawnSizes(arrays.level_n_edges, axis.spacing);
  const returns = landmarks.find(({ key }) => key === "top1")?.n_edges ?? Infinity;
  const points = sizes.map((size): Point => [scale(size), heightOf(valueAt(levelsOf(quantity, arrays), locate(arrays.level_n_edges, size)), plot)]);
  const under = (shown: Point[]) => between(shown, shown.map(([x]): Point => [x, heightOf(0, plot)]));
  return {
    points,
    line: polyline(points),
    before: under(points.filter((_, index) => sizes[index] <= returns)),
    after: under(points.filter((_, index) => sizes[index] >= returns)),
  };
}

/** Which part of a label stands at its place on the axis: near an edge, the one that keeps it inside the plot. */
export const tickAnchor = (x: number, width: number): "start" | "middle" | "end" => (x < 12 ? "start" : x > width - 12 ? "end" : "middle");
