// The mean error by size of each group, the curves of its prompts behind it, and the difference of two groups.
import { scaleLinear, scaleLog } from "d3-scale";
import { useEffect, useMemo, useState } from "preact/hooks";
import { useBrush } from "../hooks/useBrush";
import { useWidth } from "../hooks/useWidth";
import { between, polyline, type Point } from "../logic/lines";
import { formatChange, formatCount, formatDistance, formatSize, type Theme } from "../logic/scales";
import { AsTable, type TableText } from "../views/AsTable";
import { difference, meanCurve, type Difference, type MeanCurve } from "./aggregates";
import { rowsOf, type About } from "./filters";
import { margin } from "./plots";
import type { Prompts } from "./prompts";
import { Ranges } from "./Ranges";
import { useCanvas } from "./useCanvas";
import type { Groups } from "./useGroups";

interface Props {
  prompts: Prompts;
  about: About;
  groups: Groups;
  theme: Theme;
}

const height = 190;
const differenceHeight = 84;
const mostLines = 150;

export function CurvesPlot({ prompts, about, groups, theme }: Props) {
  const { study, run } = about;
  const { sizes } = study;
  const [ref, outer] = useWidth<HTMLDivElement>(520);
  const width = Math.max(160, outer - margin.left - margin.right);
  const curves = prompts.curves[run];
  const x = useMemo(() => scaleLog().domain([sizes[0], sizes.length > 1 ? 1 : sizes[0] * 10]).range([0, width]), [sizes, width]);
  const first = useMemo(() => meanCurve(curves, sizes.length, groups.first.mask), [curves, groups.first]);
  const second = useMemo(() => groups.second && meanCurve(curves, sizes.length, groups.second.mask), [curves, groups.second]);
  const found = useDifference(curves, sizes.length, groups);
  const { passing } = groups.filters;
  const nearestSize = (pixel: number) => sizes.reduce((best, size, at) => (Math.abs(x(size) - pixel) < Math.abs(x(sizes[best]) - pixel) ? at : best), 0);
  const { handlers } = useBrush(margin.left, margin.top, {
    onPoint: () => {},
    onLeave: () => {},
    onClick: () => groups.filter({ passing: null }),
    onBox: ({ left, right, top, bottom }) =>
      groups.filter({ passing: { sizes: [nearestSize(left), nearestSize(right)], errors: [Math.max(0, 1 - bottom / height), Math.min(1, 1 - top / height)] } }),
  });
  return (
    <section class="sw-study-view" aria-label="Error by size" data-testid="curves">
      <AsTable title={<h3 class="sw-title">Error by size</h3>} of="the mean curves" data={{ sizes, first, second, found }} text={tableText} />
      <div ref={ref} class="sw-study-plot" data-testid="curves-plot" {...handlers}>
        <Lines width={width} x={x} about={about} prompts={prompts} groups={groups} theme={theme} />
        <svg width={width + margin.left + margin.right} height={height + margin.top + margin.bottom} role="img" aria-label={inWords(first, second)}>
          <g transform={`translate(${margin.left},${margin.top})`}>
            {[0, 0.5, 1].map((tick) => (
              <g key={tick} transform={`translate(0,${height * (1 - tick)})`}>
                <line class="sw-grid-line" x2={width} />
                <text class="sw-axis" x={-6} dy="0.32em" text-anchor="end">{tick}</text>
              </g>
            ))}
            {decades(sizes).map((tick) => <text key={tick} class="sw-axis" x={x(tick)} y={height + 15} text-anchor={tick === 1 ? "end" : "middle"}>{formatSize(tick)}</text>)}
            <text class="sw-axis" x={width} y={height + 31} text-anchor="end">size s</text>
            <text class="sw-axis" x={-margin.left + 4} y={-10}>total variation: mean, quartiles</text>
            <Mean curve={first} name="A" x={x} sizes={sizes} />
            {second && <Mean curve={second} name="B" x={x} sizes={sizes} />}
            {passing && (
              <rect
                class="sw-brush"
                x={x(sizes[passing.sizes[0]]) - 3}
                width={x(sizes[passing.sizes[1]]) - x(sizes[passing.sizes[0]]) + 6}
                y={height * (1 - passing.errors[1])}
                height={Math.max(1, height * (passing.errors[1] - passing.errors[0]))}
              />
            )}
          </g>
        </svg>
      </div>
      {groups.second && <DifferencePlot found={found} sizes={sizes} x={x} width={width} />}
      <Passing sizes={sizes} groups={groups} />
    </section>
  );
}

/** The difference of two groups, once the hand has rested. */
function useDifference(curves: Float32Array, width: number, { first, second }: Groups): Difference | null {
  const [found, setFound] = useState<Difference | null>(null);
  useEffect(() => {
    setFound(null);
    if (!second || !first.n || !second.n) return;
    let timer: ReturnType<typeof setTimeout>;
    let steps: Generator<void, Difference> | null = null;
    const work = () => {
      steps ??= difference(curves, width, rowsOf(first.mask), rowsOf(second.mask));
      for (const until = performance.now() + 8; performance.now() < until; ) {
        const step = steps.next();
        if (step.done) return setFound(step.value);
      }
      timer = setTimeout(work);
    };
    timer = setTimeout(work, 150);
    return () => clearTimeout(timer);
  }, [curves, first, second]);
  return found;
}

interface LinesProps extends Props {
  width: number;
  x: (size: number) => number;
}

/** The curves of a group's prompts; of many, some that lie evenly among them. */
function Lines({ width, x, about, prompts, groups, theme }: LinesProps) {
  const { study: { sizes }, run } = about;
  const { first, second, all } = groups;
  const curves = prompts.curves[run];
  const canvas = useCanvas(width + margin.left + margin.right, height + margin.top + margin.bottom, theme, ({ context, colour }) => {
    context.translate(margin.left, margin.top);
    const draw = (mask: Uint8Array, stroke: string) => {
      const rows = rowsOf(mask);
      const step = Math.max(1, rows.length / mostLines);
      context.strokeStyle = stroke;
      context.globalAlpha = 0.18;
      context.beginPath();
      for (let at = 0; at < rows.length; at += step) {
        const start = rows[Math.floor(at)] * sizes.length;
        if (Number.isNaN(curves[start])) continue;
        sizes.forEach((size, index) => context[index ? "lineTo" : "moveTo"](x(size), height * (1 - curves[start + index])));
      }
      context.stroke();
    };
    if (second) draw(second.mask, colour("--other"));
    if (!all || prompts.n <= mostLines) draw(first.mask, colour("--accent"));
  }, [x, curves, first, second, all]);
  return <canvas ref={canvas} style={{ width: `${width + margin.left + margin.right}px`, height: `${height + margin.top + margin.bottom}px` }} aria-hidden="true" />;
}

interface MeanProps {
  curve: MeanCurve;
  name: "A" | "B";
  x: (size: number) => number;
  sizes: readonly number[];
}

function Mean({ curve, name, x, sizes }: MeanProps) {
  if (!curve.n) return null;
  const points = (values: Float64Array) => sizes.map((size, at): Point => [x(size), height * (1 - values[at])]);
  return (
    <g class="sw-study-mean" data-group={name} data-testid={`mean-${name}`} data-n={curve.n}>
      <path class="sw-study-band" d={between(points(curve.upper), points(curve.lower))} />
      <path class="sw-study-line" d={polyline(points(curve.mean))} />
    </g>
  );
}

interface DifferenceProps {
  found: Difference | null;
  sizes: readonly number[];
  x: (size: number) => number;
  width: number;
}

function DifferencePlot({ found, sizes, x, width }: DifferenceProps) {
  const most = found ? Math.max(0.05, ...Array.from(found.low, Math.abs), ...Array.from(found.high, Math.abs)) : 1;
  const y = scaleLinear().domain([-most, most]).range([differenceHeight, 0]);
  const points = (values: Float64Array) => sizes.map((size, at): Point => [x(size), y(values[at])]);
  return (
    <svg width={width + margin.left + margin.right} height={differenceHeight + 26} role="img" aria-label="The difference of the mean curves, A − B" data-testid="difference" data-done={found !== null}>
      <g transform={`translate(${margin.left},18)`}>
        <text class="sw-axis" x={4} y={-6}>A − B{found ? ", 95 % by bootstrap over prompts" : " …"}</text>
        {(found ? [-most, 0, most] : [0]).map((tick) => (
          <g key={tick} transform={`translate(0,${y(tick)})`}>
            <line class="sw-grid-line" x2={width} />
            <text class="sw-axis" x={-6} dy="0.32em" text-anchor="end">{formatChange(tick)}</text>
          </g>
        ))}
        {found && (
          <g class="sw-study-mean" data-group="difference">
            <path class="sw-study-band" d={between(points(found.high), points(found.low))} />
            <path class="sw-study-line" d={polyline(points(found.mean))} />
          </g>
        )}
      </g>
    </svg>
  );
}

/** Which curves are wanted, by numbers. */
function Passing({ sizes, groups }: { sizes: readonly number[]; groups: Groups }) {
  const { passing } = groups.filters;
  return (
    <Ranges
      testid="curve-ranges"
      names={["size s", "total variation there"]}
      ranges={passing ? [[sizes[passing.sizes[0]], sizes[passing.sizes[1]]], passing.errors] : [[sizes[0], 1], [0, 1]]}
      filtered={passing !== null}
      onChange={(ranges) => {
        if (!ranges) return groups.filter({ passing: null });
        const place = (size: number) => sizes.reduce((best, each, at) => (Math.abs(Math.log(each / size)) < Math.abs(Math.log(sizes[best] / size)) ? at : best), 0);
        const [from, to] = ranges[0].map((size) => place(Math.max(size, sizes[0])));
        groups.filter({ passing: { sizes: [Math.min(from, to), Math.max(from, to)], errors: ranges[1] } });
      }}
    />
  );
}

const decades = (sizes: readonly number[]): number[] =>
  Array.from({ length: Math.ceil(-Math.log10(sizes[0])) + 1 }, (_, exponent) => Number((10 ** -exponent).toPrecision(3))).filter((size) => size >= sizes[0] * 0.999);

function inWords(first: MeanCurve, second: MeanCurve | null): string {
  const said = (curve: MeanCurve, name: string) => `${name}, ${formatCount(curve.n)} prompts`;
  return `Mean total variation by size of ${said(first, "A")}${second ? ` and ${said(second, "B")}` : ""}`;
}

interface Numbers {
  sizes: readonly number[];
  first: MeanCurve;
  second: MeanCurve | null;
  found: Difference | null;
}

function tableText({ sizes, first, second, found }: Numbers): TableText {
  return {
    caption: inWords(first, second),
    head: ["size s", "mean TV of A", "quartiles", ...(second ? ["mean TV of B", "A − B", "95 %"] : [])],
    rows: sizes.map((size, at) => [
      formatSize(size),
      formatDistance(first.mean[at]),
      `${formatDistance(first.lower[at])} to ${formatDistance(first.upper[at])}`,
      ...(second ? [formatDistance(second.mean[at]), found ? formatChange(found.mean[at]) : "…", found ? `${formatChange(found.low[at])} to ${formatChange(found.high[at])}` : "…"] : []),
    ]),
  };
}
