import { area, line } from "d3-shape";
import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { useWidth } from "../hooks/useWidth";
import { curveAt, curveName } from "../logic/curves";
import { placeLandmarks, type PlacedLandmark } from "../logic/landmarks";
import { locate, valueAt } from "../logic/levels";
import { formatCount, formatDistance, formatSize, sizeScale, sizeTicks } from "../logic/scales";
import type { Curve, ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import { CurveLegend } from "./CurveLegend";
import { OtherCurves } from "./OtherCurves";
import type { ViewProps } from "./props";
import { SizeSlider } from "./SizeSlider";

interface Props extends Pick<ViewProps, "viewState" | "shown"> {
  /** Other measures and baselines. */
  curves: readonly Curve[];
  /** Shows everything by another measure; without a kernel that is not possible. */
  onMeasure?(name: string): void;
  /** What stands below the plot. */
  tools?: ComponentChildren;
}

const plotHeight = 92;
const margin = { left: 42, right: 16, bottom: 22 };
const labelHeight = 15;
const labelWidth = (label: string): number => label.length * 6.3;
const caption = "Error against size: drag the line";

/** Error against size: the curve is the slider. */
export function SizeCurve({ viewState, shown, curves, onMeasure, tools }: Props) {
  const { size, reading, toggled } = shown;
  const [ref, outerWidth] = useWidth<HTMLDivElement>(960);
  const width = Math.max(120, outerWidth - margin.left - margin.right);
  const scale = useMemo(() => sizeScale(viewState.n_edges, width), [viewState, width]);
  const landmarks = useMemo(() => placeLandmarks(viewState.landmarks, scale, width, labelWidth(caption), labelWidth), [viewState, scale, width]);
  const top = 8 + labelHeight * useLines(landmarks, `${width} ${viewState.position} ${viewState.prompt}`);
  const toY = (totalVariation: number) => plotHeight * (1 - totalVariation);
  const curve = useMemo(() => curvePaths(viewState, scale, toY), [viewState, scale]);

  // An exact error may lie off the line between two levels; one with toggles does not belong to the line at all.
  const onLine = (nEdges: number) => valueAt(viewState.arrays.total_variation, locate(viewState.arrays.level_n_edges, nEdges));
  const totalVariation = toggled || reading.state === "stale" ? onLine(size.nEdges) : reading.total_variation;

  const data = useMemo(() => ({ viewState, curves }), [viewState, curves]);
  const [emphasised, setEmphasised] = useState<number | null>(null);
  const own = { totalVariation, exact: reading.state === "exact" && !toggled };
  const legend = curves.length > 0 && (
    <CurveLegend viewState={viewState} nEdges={size.nEdges} own={own} curves={curves} onMeasure={onMeasure} onEmphasise={setEmphasised} />
  );
  const moved = useRef({ x: 0, frame: 0 });
  const follow = () => {
    moved.current.frame = 0;
    const left = (ref.current?.getBoundingClientRect().left ?? 0) + margin.left;
    size.preview(Math.round(scale.invert(moved.current.x - left)));
  };
  // A mouse may report many places within one frame; only the last is drawn.
  const followSoon = (event: PointerEvent) => {
    moved.current.x = event.clientX;
    moved.current.frame ||= requestAnimationFrame(follow);
  };
  const grab = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const plot = event.currentTarget as HTMLElement;
    event.preventDefault(); // no text selection; the slider takes the focus instead, so that the keys go on from here
    plot.querySelector("input")?.focus({ preventScroll: true });
    plot.setPointerCapture?.(event.pointerId);
    const landmark = (event.target as Element).closest<SVGElement>("[data-landmark]")?.dataset.landmark;
    if (landmark) {
      size.preview(Number(landmark)); // a label names one size, and is no place to drag from
      size.commit();
      return;
    }
    moved.current.x = event.clientX;
    follow();
  };
  const release = () => {
    if (moved.current.frame) {
      cancelAnimationFrame(moved.current.frame);
      follow();
    }
    size.commit();
  };

  // The same elements again cost nothing: in a drag only the handle moves.
  const picture = useMemo(
    () => (
      <>
        <text class="sw-axis" x={-8} y={5} text-anchor="end">TV 1</text>
        <text class="sw-axis" x={-8} y={plotHeight} text-anchor="end">TV 0</text>
        <text class="sw-axis" x={0} y={14 - top}>{caption}</text>
        <path class="sw-area sw-area-before" d={curve.before} />
        <path class="sw-area" d={curve.after} />
        <line class="sw-baseline" x2={width} y1={plotHeight + 0.5} y2={plotHeight + 0.5} />
        {sizeTicks(viewState.n_edges).map((tick) => (
          <text key={tick.label} class="sw-axis" x={scale(tick.nEdges)} y={plotHeight + 17} text-anchor={anchorOf(scale(tick.nEdges), width)}>
            {tick.label}
          </text>
        ))}
        {landmarks.map(({ nEdges, x: landmarkX, line: labelLine }) => (
          <line key={nEdges} class="sw-landmark" x1={landmarkX} x2={landmarkX} y1={5 - top + labelLine * labelHeight} y2={plotHeight} />
        ))}
        {landmarks.map(({ nEdges, label, x: landmarkX, anchor, line: labelLine }) => (
          <text key={nEdges} class="sw-axis sw-landmark-label" data-landmark={nEdges} x={landmarkX + (anchor === "start" ? 5 : -5)} y={14 - top + labelLine * labelHeight} text-anchor={anchor}>
            {label}
          </text>
        ))}
        <path class="sw-line" d={curve.line} />
      </>
    ),
    [viewState, scale, landmarks, curve, width, top],
  );

  const valueText =
    `s = ${formatSize(size.nEdges / viewState.n_edges)}, ${formatCount(size.nEdges)} edges, ` +
    `total variation ${formatDistance(totalVariation)}${toggled ? " before toggles" : ""}, ${reading.state}`;

  return (
    <>
      <div
        ref={ref}
        class="sw-curve"
        onPointerDown={grab}
        onPointerMove={(event) => size.moving && event.buttons === 1 && followSoon(event)}
        onPointerUp={release}
        onPointerCancel={release}
      >
        <SizeSlider viewState={viewState} size={size} valueText={valueText} />
        <svg width={outerWidth} height={top + plotHeight + margin.bottom} aria-hidden="true">
          <g transform={`translate(${margin.left},${top})`}>
            {picture}
            {curves.length > 0 && <OtherCurves curves={curves} main={curve.points} scale={scale} toY={toY} width={width} emphasised={emphasised} />}
            <g class="sw-handle" transform={`translate(${scale(size.nEdges)},0)`}>
              <line y1={-4} y2={plotHeight} />
              <circle class="sw-handle-focus" cy={toY(totalVariation)} r={11} />
              <circle class="sw-handle-knob" cy={toY(totalVariation)} r={6.5} />
            </g>
            {/* Above the knob, which it may lie on. */}
            {toggled && <ToggledMark x={scale(toggled.n_edges)} from={toY(onLine(toggled.n_edges))} to={toY(toggled.total_variation)} width={width} />}
          </g>
        </svg>
      </div>
      <AsTable title={<>{legend}{tools}</>} of="Curve" data={data} text={tableText} />
    </>
  );
}

/** How many lines the labels have: as many as under another measure before, so that a change moves nothing below. */
function useLines(landmarks: readonly PlacedLandmark[], place: string): number {
  const most = useRef({ place, lines: 1 });
  const before = most.current.place === place ? most.current.lines : 1;
  most.current = { place, lines: Math.max(before, ...landmarks.map(({ line }) => line + 1)) };
  return most.current.lines;
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

const anchorOf = (x: number, width: number): "start" | "middle" | "end" => (x < 12 ? "start" : x > width - 12 ? "end" : "middle");

function curvePaths(viewState: ViewState, scale: (nEdges: number) => number, toY: (totalVariation: number) => number) {
  const levels = viewState.arrays.level_n_edges;
  const errors = viewState.arrays.total_variation;
  const indices = Array.from(levels.keys());
  const returns = viewState.landmarks.find(({ key }) => key === "top1")?.n_edges ?? Infinity;
  const x = (index: number) => scale(levels[index]);
  const y = (index: number) => toY(errors[index]);
  const fill = area<number>().x(x).y1(y).y0(plotHeight);
  // Two phases: up to where the model's top token returns for good, and from there on.
  return {
    points: indices.map((index): [number, number] => [x(index), y(index)]),
    line: line<number>().x(x).y(y)(indices) ?? undefined,
    before: fill(indices.filter((index) => levels[index] <= returns)) ?? undefined,
    after: fill(indices.filter((index) => levels[index] >= returns)) ?? undefined,
  };
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
      ...curves.map((curve) => formatDistance(curveAt(curve, nEdges))),
    ]),
  };
}
