import { useMemo } from "preact/hooks";
import { drawnSizes } from "../logic/axis";
import { curveAt, placeCurves } from "../logic/curves";
import { polyline, type Point } from "../logic/lines";
import { heightOf, plotHeight, type Plot } from "../logic/plot";
import type { Curve } from "../protocol/types";

interface Props {
  curves: readonly Curve[];
  plot: Plot;
  /** Which of them is pointed at in the legend. */
  emphasised: number | null;
}

/** Errors of other measures and baselines: dashed, and named on the line. */
export function OtherCurves({ curves, plot, emphasised }: Props) {
  // No label is to lie on the trace's own line.
  const placed = useMemo(() => {
    const { scale, axis, most, width, quantity } = plot;
    const drawn = quantity.ofCurve ? curves : [];
    const lines = drawn.map((curve) => ({ ...curve, points: drawnSizes(curve.n_edges, axis.spacing).map((size): Point => [scale(size), heightOf(curveAt(curve, size), most)]) }));
    return placeCurves(lines, width, plotHeight, plot.curve.points);
  }, [curves, plot]);
  return (
    <g data-testid="other-curves">
      {placed.map(({ name, kind, points, dash }, index) => (
        <path
          key={name}
          class="sw-other"
          data-kind={kind}
          data-emphasised={index === emphasised}
          d={polyline(points)}
          stroke-dasharray={dash}
        />
      ))}
      {/* Few sizes, each computed: they are marked. */}
      {placed.map(({ name, kind, points }) => kind === "refining" && points.map(([x, y]) => <circle key={`${name} ${x}`} class="sw-other-point" cx={x} cy={y} r={2.75} />))}
      {placed.map(({ name, kind, labelX, labelY, anchor }, index) => (
        <text key={name} class="sw-other-label" data-kind={kind} data-emphasised={index === emphasised} x={labelX} y={labelY} text-anchor={anchor}>
          {name}
        </text>
      ))}
    </g>
  );
}
