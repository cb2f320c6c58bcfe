import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { usePlay } from "../hooks/usePlay";
import { usePlot, type Look } from "../hooks/usePlot";
import { useSizeDrag } from "../hooks/useSizeDrag";
import { useWidth } from "../hooks/useWidth";
import { byArea, curveName, errorAt } from "../logic/curves";
import { knownOf, nearestStep, stepsOf, type Step } from "../logic/jumps";
import { formingHeight } from "../logic/forming";
import { haveLevels, locate, valueAt } from "../logic/levels";
import { heightOf, plotHeight, plotMargin, type Plot } from "../logic/plot";
import { known as knownQuantities, levelsOf, quantities, type Quantity } from "../logic/quantities";
import { formatCount, formatDistance, formatFaithfulness, formatSize } from "../logic/scales";
import type { Curve, Evaluation, Jump, ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import { CurveChoices } from "./CurveChoices";
import { CurveLegend } from "./CurveLegend";
import { CurvePicture, Fold, SizeAxis } from "./CurvePicture";
import { FormingLegend, FormingPicture, formingCells, formingColumns, useForming, type FormingBands } from "./Forming";
import { JumpList, JumpMarks, type JumpsProps } from "./Jumps";
import { OtherCurves } from "./OtherCurves";
import { PlayControls } from "./PlayControls";
import type { ViewProps } from "./props";
import { SizeSlider } from "./SizeSlider";

interface Props extends Pick<ViewProps, "viewState" | "shown" | "theme"> {
  /** Whether the curve of error is drawn, and the prediction forming. */
  curve?: boolean;
  forming?: boolean;
  /** Other measures and baselines. */
  curves: readonly Curve[];
  /** Shows everything by another measure; without a kernel that is not possible. */
  onMeasure?(curve: Curve): void;
  /** What is known of its jumps, and how to ask of another, where there is a kernel. */
  why?: { known: readonly Jump[]; asking: boolean; ask?(nEdges: Step["n_edges"]): void };
  /** What stands above the plot, beside the choices. */
  tools?: ComponentChildren;
}

const nothing: NonNullable<Props["why"]> = { known: [], asking: false };
const awaited = "the first levels are on their way";
const formingTitle = "The prediction forming";

/** Error against size, and the prediction forming under it: the picture is the slider. */
export function SizeCurve({ viewState, shown, theme, curve = true, forming = false, curves, why = nothing, onMeasure, tools }: Props) {
  const { size, toggled } = shown;
  const [ref, outerWidth] = useWidth<HTMLDivElement>(960);
  const { look, setLook, drawable } = useLook(viewState, curve);
  const plot = usePlot(viewState, outerWidth, look, size.moving);
  const known = haveLevels(viewState);
  const drag = useSizeDrag(size, (clientX) => {
    const left = (ref.current?.getBoundingClientRect().left ?? 0) + plotMargin.left;
    return Math.round(plot.scale.invert(clientX - left));
  }, known);
  const play = usePlay(ref, viewState, size, plot);
  const jumps = useJumps(viewState, plot.axis.start, why);
  const bands = useForming(viewState, plot);
  const [band, setBand] = useState<number | null>(null);
  const [emphasised, setEmphasised] = useState<number | null>(null);
  const data = useMemo(() => ({ viewState, curves, curve, forming: forming ? bands : null }), [viewState, curves, curve, forming, bands]);

  // After a switch between two measures that are drawn each is where the other was: the way back is under the pointer.
  const names = [viewState.importance, ...curves.map(({ name }) => name)].sort().join();
  const order = useMemo(() => byArea(curves), [names]);

  const numberAt = numbersAt(viewState, shown);
  const totalVariation = numberAt("total_variation");
  const valueText =
    `s = ${formatSize(size.nEdges / viewState.n_edges)}, ${formatCount(size.nEdges)} ${size.nEdges === 1 ? "edge" : "edges"}, ` +
    `${drawable.includes(quantities[2]) ? `faithfulness ${formatFaithfulness(numberAt("faithfulness"))}, ` : ""}total variation ${formatDistance(totalVariation)}${toggled ? " before toggles" : ""}, ${shown.reading.state}`;
  const own = { totalVariation, exact: shown.reading.state === "exact" && !toggled };
  const legend = curves.length > 0 && (
    <CurveLegend viewState={viewState} nEdges={size.nEdges} own={own} curves={curves} order={order} theme={theme} onMeasure={onMeasure} onEmphasise={setEmphasised} />
  );
  const picture = { viewState, plot, curve, forming: forming ? bands : null, band, onBand: setBand };

  return (
    <>
      <CurveChoices title={curve ? look.quantity.title : formingTitle} note={known ? noteOf(viewState, look) : awaited} look={look} quantities={drawable} foldable={plot.foldable} onLook={setLook}>
        <PlayControls play={play} enabled={known} />
        {tools}
      </CurveChoices>
      {/* Over the plot: what comes and goes under it moves none of these from under the pointer. */}
      {legend}
      <div ref={ref} class="sw-curve" {...drag}>
        <SizeSlider viewState={viewState} size={size} valueText={valueText} keys={{ " ": play.toggle, w: () => jumps.onOpen(nearestStep(jumps.steps, size.nEdges) ?? null), ...(plot.foldable && { f: () => setLook({ ...look, whole: !look.whole }) }) }} />
        <SizePicture {...picture} outerWidth={outerWidth} onUnfold={() => setLook({ ...look, whole: true })}>
          {curve && curves.length > 0 && <OtherCurves curves={curves} order={order} plot={plot} theme={theme} emphasised={emphasised} />}
          {curve && <JumpMarks {...jumps} viewState={viewState} plot={plot} />}
          <Handle x={plot.scale(size.nEdges)} y={curve ? heightOf(numberAt(look.quantity.key), plot) : null} bottom={heights(curve, forming).bottom} />
          {/* Above the knob, which it may lie on. */}
          {curve && toggled && <ToggledMark viewState={viewState} plot={plot} toggled={toggled} />}
        </SizePicture>
      </div>
      <AsTable
        title={forming && bands.bands.length > 0 && <FormingLegend viewState={viewState} forming={bands} shown={shown} start={plot.axis.start} toggled={toggled !== null} emphasised={band} onEmphasise={setBand} />}
        of={curve ? "Curve" : "Prediction forming"}
        data={data}
        text={tableText}
      />
      {curve && jumps.steps.length > 0 && <JumpList {...jumps} viewState={viewState} size={size} asking={why.asking} />}
    </>
  );
}

/** How the curve is looked at, and which quantities can be; one that is not known leaves its place to the first, and comes back. */
function useLook({ arrays }: ViewState, curve: boolean) {
  const [wanted, setLook] = useState<Look>({ quantity: quantities[0], spacing: "log", whole: false });
  const drawable = useMemo(() => (curve ? knownQuantities(arrays) : []), [arrays, curve]);
  const look = drawable.length === 0 || drawable.includes(wanted.quantity) ? wanted : { ...wanted, quantity: quantities[0] };
  return { look, setLook, drawable };
}

/** The jumps that can be asked of, or were, and the one whose reason is shown. */
function useJumps(viewState: ViewState, start: number, { known, asking, ask }: NonNullable<Props["why"]>): JumpsProps {
  const all = useMemo(() => stepsOf(viewState, start), [viewState, start]);
  const steps = useMemo(() => all.filter((step) => ask || knownOf(known, step)), [all, known, ask !== undefined]);
  const [opened, setOpened] = useState<Step | null>(null);
  const open = steps.find((step) => step.n_edges[0] === opened?.n_edges[0] && step.n_edges[1] === opened.n_edges[1]) ?? null;
  const onOpen = (step: Step | null) => {
    setOpened(step);
    if (step && !asking && !knownOf(known, step)) ask?.(step.n_edges);
  };
  return { steps, known, open, onOpen };
}

/** An error at the present size: an exact one may lie off the line between two levels, one with toggles does not belong to it. */
function numbersAt(viewState: ViewState, { size, reading, toggled }: ViewProps["shown"]) {
  return (key: Quantity["key"]) => (toggled || reading.state === "stale" ? onLine(viewState, key, size.nEdges) : (reading[key] ?? missing(key)));
}

const onLine = ({ arrays }: ViewState, key: Quantity["key"], nEdges: number) => valueAt(levelsOf({ key }, arrays), locate(arrays.level_n_edges, nEdges));

/** A number that a result does not have: a divergence that is infinite, else what is not known. */
const missing = (key: Quantity["key"]): number => (key === "kl" ? Infinity : 0);

/** What to do with the line; of faithfulness its means, over the sizes as they are spaced. */
function noteOf({ question }: ViewState, { quantity, spacing }: Look): ComponentChildren {
  const [cpr, cmd] = spacing === "log" ? [question?.cpr_log, question?.cmd_log] : [question?.cpr, question?.cmd];
  if (quantity.key !== "faithfulness" || cpr == null || cmd == null) return <span class="sw-hint">drag the line</span>;
  return `CPR ${formatFaithfulness(cpr)} · CMD ${formatFaithfulness(cmd)} over ${spacing === "log" ? "log s" : "s"}`;
}

/** Where the parts of the picture begin and end, from the curve's upper edge. */
function heights(curve: boolean, forming: boolean) {
  const [top, curveHeight] = curve ? [plotMargin.top, plotHeight] : [2, 0];
  const formingTop = curveHeight + plotMargin.bottom + 4;
  const bottom = forming ? formingTop + formingHeight : curveHeight;
  return { top, curveHeight, formingTop, bottom, whole: top + bottom + (forming ? 6 : plotMargin.bottom) };
}

interface PictureProps {
  viewState: ViewState;
  plot: Plot;
  outerWidth: number;
  curve: boolean;
  forming: FormingBands | null;
  band: number | null;
  onBand(band: number | null): void;
  onUnfold(): void;
  /** What follows the hand. */
  children: ComponentChildren;
}

/** All that lies over the axis. */
function SizePicture({ viewState, plot, outerWidth, curve, forming, band, onBand, onUnfold, children }: PictureProps) {
  const { top, curveHeight, formingTop, bottom, whole } = heights(curve, forming !== null);
  // The same elements again cost nothing: in a drag only the handle moves.
  const still = useMemo(
    () => (
      <>
        {curve && <CurvePicture plot={plot} />}
        {forming && (
          <g transform={`translate(0,${formingTop})`}>
            <FormingPicture viewState={viewState} plot={plot} forming={forming} emphasised={band} onEmphasise={onBand} />
          </g>
        )}
        <Fold plot={plot} height={bottom} />
        <g transform={`translate(0,${curveHeight})`}>
          <SizeAxis plot={plot} onUnfold={onUnfold} />
        </g>
      </>
    ),
    [viewState, plot, curve, forming, band],
  );
  return (
    <svg width={outerWidth} height={whole} aria-hidden="true">
      <g transform={`translate(${plotMargin.left},${top})`}>
        {still}
        {children}
      </g>
    </svg>
  );
}

/** The line at the present size, and its knob on the curve. */
function Handle({ x, y, bottom }: { x: number; y: number | null; bottom: number }) {
  return (
    <g class="sw-handle" transform={`translate(${x},0)`}>
      <line y1={-4} y2={bottom} />
      <circle class="sw-handle-focus" cy={y ?? 9} r={11} />
      <circle class="sw-handle-knob" cy={y ?? 9} r={6.5} />
    </g>
  );
}

/** How far the toggles move the error from the curve. */
function ToggledMark({ viewState, plot, toggled }: { viewState: ViewState; plot: Plot; toggled: Evaluation }) {
  const { key } = plot.quantity;
  const x = plot.scale(toggled.n_edges);
  const [from, to] = [onLine(viewState, key, toggled.n_edges), toggled[key] ?? missing(key)].map((value) => heightOf(value, plot));
  const right = x < plot.width - 90;
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

interface Tabled {
  viewState: ViewState;
  curves: readonly Curve[];
  curve: boolean;
  forming: FormingBands | null;
}

function tableText({ viewState, curves, curve, forming }: Tabled): TableText {
  const { arrays, n_edges } = viewState;
  const distance = (values: Float32Array, level: number) => formatDistance(values[level]);
  const faithful = levelsOf({ key: "faithfulness" }, arrays);
  const errors = (level: number) => [
    ...(faithful.length > 0 ? [formatFaithfulness(faithful[level])] : []),
    distance(arrays.total_variation, level),
    distance(arrays.kl, level),
    distance(arrays.entropy, level),
    arrays.top1[level] ? "agrees" : "differs",
    arrays.nucleus[level] > 0 ? `${Math.round(100 * arrays.nucleus[level])} %` : "none",
  ];
  const others = curve ? curves : [];
  return {
    caption: `The computed sizes, against the full model; sizes between them are interpolated${forming ? ". Tokens with their probabilities" : ""}`,
    head: [
      "size s",
      "edges",
      ...(curve && faithful.length > 0 ? ["f"] : []),
      ...(curve ? ["TV", "KL", "entropy", "top-1", "nucleus"] : []),
      ...(forming ? formingColumns(forming) : []),
      ...others.map(({ name }) => `TV ${curveName(name)}`),
    ],
    rows: Array.from(arrays.level_n_edges, (nEdges, level) => [
      formatSize(nEdges / n_edges),
      formatCount(nEdges),
      ...(curve ? errors(level) : []),
      ...(forming ? formingCells(viewState, forming, nEdges) : []),
      ...others.map((other) => errorAt(other, nEdges)),
    ]),
  };
}
