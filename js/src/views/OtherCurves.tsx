import { useMemo } from "preact/hooks";
import { drawnSizes } from "../logic/axis";
import { curveAt, curveStyle, marked, placeCurves } from "../logic/curves";
import { polyline, type Point } from "../logic/lines";
import { heightOf, plotHeight, type Plot } from "../logic/plot";
import type { Theme } from "../logic/scales";
import type { Curve } from "../protocol/types";

interface Props {
  curves: readonly Curve[];
  /** Their places, in the order of the legend. */
  order: readonly number[];
  plot: Plot;
  theme: Theme;
  /** Which of them is pointed at in the legend. */
  emphasised: number | null;
}

/** More names than these would lie over the lines; the others are in the legend. */
const mostLabels = 4;

/** Errors of other measures and baselines: dashed and marked, a few of them named on the line. */
export function OtherCurves({ curves, order, plot, theme, emphasised }: Props) {
  // No label is to lie on the trace's own line.
  const placed = useMemo(() => {
    const { scale, axis, width, quantity } = plot;
    const error = quantity.ofCurve;
    const drawn = curves.flatMap((curve, index) => (error && curve[error] ? [{ curve, index }] : []));
    const lines = drawn.map(({ curve }) => ({ ...curve, points: drawnSizes(curve.n_edges, axis.spacing).map((size): Point => [scale(size), heightOf(curveAt(curve, size, error), plot)]) }));
    return placeCurves(lines, width, plotHeight, plot.curve.points).map((curve, place) => ({
      ...curve,
      ...curveStyle(theme, drawn[place].index),
      index: drawn[place].index,
      // Few sizes, each computed: all of them are marked.
      marked: marked(drawn[place].curve.n_edges.map((size): Point => [scale(size), heightOf(curveAt(drawn[place].curve, size, error), plot)]), curve.kind === "refining" ? 0 : undefined),
    }));
  }, [curves, plot, theme]);
  const leading = [...(emphasised === null ? [] : [emphasised]), ...order.filter((index) => index !== emphasised)];
  const labelled = new Set(leading.filter((index) => placed.some((curve) => curve.index === index)).slice(0, mostLabels));
  return (
    <g data-testid="other-curves">
      {placed.map(({ name, kind, points, dash, colour, mark, index, marked: at }) => (
        <g key={name} class="sw-other" data-kind={kind} data-emphasised={index === emphasised} style={{ "--curve": colour }}>
          <path class="sw-other-line" data-kind={kind} d={polyline(points)} stroke-dasharray={dash} />
          {at.map(([x, y]) => <path key={x} class="sw-mark" d={mark} transform={`translate(${x},${y})`} />)}
        </g>
      ))}
      {placed.map(({ name, kind, labelX, labelY, anchor, colour, index }) => labelled.has(index) && (
        <text key={name} class="sw-other-label" data-kind={kind} data-emphasised={index === emphasised} style={{ "--curve": colour }} x={labelX} y={labelY} text-anchor={anchor}>
          {name}
        </text>
      ))}
    </g>
  );
}
