import { line } from "d3-shape";
import { useMemo } from "preact/hooks";
import { placeCurves } from "../curves";
import type { Curve } from "../state";

interface Props {
  curves: readonly Curve[];
  /** The trace's own line, which no label is to lie on. */
  main: [x: number, y: number][];
  scale(nEdges: number): number;
  toY(totalVariation: number): number;
  width: number;
}

/** Errors of other measures and baselines: thin, dashed, and named on the line. */
export function OtherCurves({ curves, main, scale, toY, width }: Props) {
  const placed = useMemo(() => placeCurves(curves, scale, toY, width, main), [curves, main, scale, width]);
  return (
    <g data-testid="other-curves">
      {placed.map(({ name, points, dash }) => <path key={name} class="sw-other" d={line()(points) ?? undefined} stroke-dasharray={dash} />)}
      {placed.map(({ name, labelX, labelY, anchor }) => (
        <text key={name} class="sw-other-label" x={labelX} y={labelY} text-anchor={anchor}>
          {name}
        </text>
      ))}
    </g>
  );
}
