import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { usePlot } from "../hooks/usePlot";
import { useSizeDrag } from "../hooks/useSizeDrag";
import { useWidth } from "../hooks/useWidth";
import { curveName, errorAt } from "../logic/curves";
import { haveLevels, locate, valueAt } from "../logic/levels";
import { plotHeight, plotMargin, toY } from "../logic/plot";
import { formatCount, formatDistance, formatSize } from "../logic/scales";
import type { Curve, ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import { CurveLegend } from "./CurveLegend";
import { CurvePicture } from "./CurvePicture";
import { OtherCurves } from "./OtherCurves";
import type { ViewProps } from "./props";
import { SizeSlider } from "./SizeSlider";

interface Props extends Pick<ViewProps, "viewState" | "shown"> {
  /** Other measures and baselines. */
  curves: readonly Curve[];
  /** Shows everything by another measure; without a kernel that is not possible. */
  onMeasure?(curve: Curve): void;
  /** What stands below the plot. */
  tools?: ComponentChildren;
}

const dragged = "Error against size: drag the line";
const awaited = "Error against size: its first levels are on their way";

/** Error against size: the curve is the slider. */
export function SizeCurve({ viewState, shown, curves, onMeasure, tools }: Props) {
  const { size, reading, toggled } = shown;
  const [ref, outerWidth] = useWidth<HTMLDivElement>(960);
  const caption = haveLevels(viewState) ? dragged : awaited;
  const plot = usePlot(viewState, outerWidth, caption);
  const { width, top, scale } = plot;
  const drag = useSizeDrag(size, (clientX) => {
    const left = (ref.current?.getBoundingClientRect().left ?? 0) + plotMargin.left;
    return Math.round(scale.invert(clientX - left));
  }, haveLevels(viewState));

  // An exact error may lie off the line between two levels; one with toggles does not belong to the line at all.
  const onLine = (nEdges: number) => valueAt(viewState.arrays.total_variation, locate(viewState.arrays.level_n_edges, nEdges));
  const totalVariation = toggled || reading.state === "stale" ? onLine(size.nEdges) : reading.total_variation;
  const valueText =
    `s = ${formatSize(size.nEdges / viewState.n_edges)}, ${formatCount(size.nEdges)} ${size.nEdges === 1 ? "edge" : "edges"}, ` +
    `total variation ${formatDistance(totalVariation)}${toggled ? " before toggles" : ""}, ${reading.state}`;

  // The same elements again cost nothing: in a drag only the handle moves.
  const picture = useMemo(() => <CurvePicture plot={plot} nEdges={viewState.n_edges} caption={caption} />, [plot, viewState, caption]);
  const data = useMemo(() => ({ viewState, curves }), [viewState, curves]);
  const [emphasised, setEmphasised] = useState<number | null>(null);
  const own = { totalVariation, exact: reading.state === "exact" && !toggled };
  const legend = curves.length > 0 && (
    <CurveLegend viewState={viewState} nEdges={size.nEdges} own={own} curves={curves} onMeasure={onMeasure} onEmphasise={setEmphasised} />
  );

  return (
    <>
      <div ref={ref} class="sw-curve" {...drag}>
        <SizeSlider viewState={viewState} size={size} valueText={valueText} />
        <svg width={outerWidth} height={top + plotHeight + plotMargin.bottom} aria-hidden="true">
          <g transform={`translate(${plotMargin.left},${top})`}>
            {picture}
            {curves.length > 0 && <OtherCurves curves={curves} plot={plot} emphasised={emphasised} />}
            <Handle x={scale(size.nEdges)} y={toY(totalVariation)} />
            {/* Above the knob, which it may lie on. */}
            {toggled && <ToggledMark x={scale(toggled.n_edges)} from={toY(onLine(toggled.n_edges))} to={toY(toggled.total_variation)} width={width} />}
          </g>
        </svg>
      </div>
      <AsTable title={<>{legend}{tools}</>} of="Curve" data={data} text={tableText} />
    </>
  );
}

/** The line at the present size, and its knob on the curve. */
function Handle({ x, y }: { x: number; y: number }) {
  return (
    <g class="sw-handle" transform={`translate(${x},0)`}>
      <line y1={-4} y2={plotHeight} />
      <circle class="sw-handle-focus" cy={y} r={11} />
      <circle class="sw-handle-knob" cy={y} r={6.5} />
    </g>
  );
}

/** How far the toggles move the error from the curve. */
function ToggledMark({ x, from, to, width }: { x: number; from: number; to: number; width: number }) {
  const right = x < width - 90;
  const onCurve = Math.abs(to - from) < 12; // the curve would strike the label through
  return (
    <g class="sw-toggled" transform={`translate(${x},0)`}>
      <line y1={from} y2={to} />
      <path d="M0-6.5 6.5 0 0 6.5-6.5 0Z" transform={`translate(0,${to})`} />
      <text class="sw-axis" x={right ? 12 : -12} y={Math.min(plotHeight - 6, Math.max(10, onCurve ? to - 9 : to + 4))} text-anchor={right ? "start" : "end"}>
        with toggles
      </text>
    </g>
  );
}

function tableText({ viewState: { arrays, n_edges }, curves }: { viewState: ViewState; curves: readonly Curve[] }): TableText {
  const distance = (values: Float32Array, level: number) => formatDistance(values[level]);
  return {
    caption: "The computed sizes, against the full model; sizes between them are interpolated",
    head: ["size s", "edges", "TV", "KL", "entropy", "top-1", "nucleus", ...curves.map(({ name }) => `TV ${curveName(name)}`)],
    rows: Array.from(arrays.level_n_edges, (nEdges, level) => [
      formatSize(nEdges / n_edges),
      formatCount(nEdges),
      distance(arrays.total_variation, level),
      distance(arrays.kl, level),
      distance(arrays.entropy, level),
      arrays.top1[level] ? "agrees" : "differs",
      arrays.nucleus[level] > 0 ? `${Math.round(100 * arrays.nucleus[level])} %` : "none",
      ...curves.map((curve) => errorAt(curve, nEdges)),
    ]),
  };
}
