// Two numbers of each prompt against each other: a box holds those inside, a click opens one.
import { useMemo, useState } from "preact/hooks";
import { useBrush } from "../hooks/useBrush";
import { useWidth } from "../hooks/useWidth";
import type { Theme } from "../logic/scales";
import type { Box as Pixels } from "../logic/scatter";
import type { About, Box } from "./filters";
import { margin, nearestRow, placed, scaleOf, short, ticksOf, type Scale } from "./plots";
import { axes, valuesOf, type Axis, type Prompts } from "./prompts";
import { Ranges } from "./Ranges";
import { useCanvas } from "./useCanvas";
import type { Groups } from "./useGroups";

interface Props {
  prompts: Prompts;
  about: About;
  groups: Groups;
  theme: Theme;
  onOpen(row: number): void;
}

const height = 250;

export function ScatterPlot({ prompts, about, groups, theme, onOpen }: Props) {
  const { study, criterion } = about;
  const choices = axes(study, study.criteria[criterion]);
  const [keys, setKeys] = useState<[string, string]>(["full_entropy", "necessary"]);
  const shownAxes = keys.map((key) => choices.find((axis) => axis.key === key) ?? choices[0]);
  const [ref, outer] = useWidth<HTMLDivElement>(520);
  const width = Math.max(160, outer - margin.left - margin.right);
  const drawn = usePlaced(prompts, about, shownAxes, width);
  const [x, y] = shownAxes;
  const { box } = groups.filters;
  const shownBox = box && box.x === x.key && box.y === y.key ? box : null;
  return (
    <section class="sw-study-view" aria-label="Prompts by two numbers" data-testid="scatter">
      <div class="sw-study-choices">
        <h3 class="sw-title">Prompts</h3>
        {keys.map((key, index) => (
          <label key={index}>
            {index ? "up" : "across"}{" "}
            <select value={key} data-testid={index ? "scatter-y" : "scatter-x"} onChange={(event) => setKeys(index ? [keys[0], event.currentTarget.value] : [event.currentTarget.value, keys[1]])}>
              {choices.map((axis) => <option key={axis.key} value={axis.key}>{axis.label}</option>)}
            </select>
          </label>
        ))}
      </div>
      <div ref={ref}>
        <Plot prompts={prompts} groups={groups} theme={theme} drawn={drawn} box={shownBox} onOpen={onOpen} />
      </div>
      <Ranges
        testid="scatter-ranges"
        names={[x.label, y.label]}
        ranges={shownBox ? [shownBox.xs, shownBox.ys] : drawn.scales.map((scale) => scale.domain() as [number, number])}
        onChange={(ranges) => groups.filter({ box: ranges && { x: x.key, y: y.key, xs: ranges[0], ys: ranges[1] } })}
        filtered={shownBox !== null}
      />
    </section>
  );
}

/** The prompts in pixels; everything is there twice, across and up. */
interface Placed {
  axes: Axis[];
  width: number;
  values: Float32Array[];
  scales: Scale[];
  pixels: Float32Array[];
}

function usePlaced(prompts: Prompts, { study, run, criterion }: About, [x, y]: Axis[], width: number): Placed {
  return useMemo(() => {
    const values = [x, y].map(({ key }) => valuesOf(prompts, study, key, run, criterion));
    const scales = [scaleOf(x, values[0], prompts.n, [0, width]), scaleOf(y, values[1], prompts.n, [height, 0])];
    return { axes: [x, y], width, values, scales, pixels: values.map((each, axis) => placed(each, prompts.n, scales[axis])) };
  }, [prompts, study, x.key, y.key, run, criterion, width]);
}

interface PlotProps extends Pick<Props, "prompts" | "groups" | "theme" | "onOpen"> {
  drawn: Placed;
  box: Box | null;
}

function Plot({ prompts, groups, theme, drawn, box, onOpen }: PlotProps) {
  const { axes: [x, y], width, values, scales, pixels } = drawn;
  const [pointed, setPointed] = useState(-1);
  const standing = useStanding(prompts, pixels[0], groups.shown.mask);
  const numbers = (row: number) => values.map((each) => short(each[row]));
  const inside = ({ left, right, top, bottom }: Pixels): Box => ({ x: x.key, y: y.key, xs: [scales[0].invert(left), scales[0].invert(right)], ys: [scales[1].invert(bottom), scales[1].invert(top)] });
  const { handlers } = useBrush(margin.left, margin.top, {
    onPoint: (across, down) => setPointed(nearestRow(pixels[0], pixels[1], across, down)),
    onLeave: () => setPointed(-1),
    onClick(across, down) {
      const row = nearestRow(pixels[0], pixels[1], across, down);
      if (row >= 0) onOpen(row);
      else groups.filter({ box: null });
    },
    onBox: (pixelsOfBox) => groups.filter({ box: inside(pixelsOfBox) }),
  });
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter" && standing.row >= 0) onOpen(standing.row);
    else if (event.key === "Escape" && box) groups.filter({ box: null });
    else if (step === undefined) return;
    else setPointed(standing.move(step));
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class="sw-study-plot"
      data-testid="scatter-plot"
      tabIndex={0}
      role="slider"
      aria-label={`Prompts by ${x.label} and ${y.label}; arrows go from one to the next, Enter opens it`}
      aria-valuemin={0}
      aria-valuemax={Math.max(1, standing.count)}
      aria-valuenow={standing.at + 1}
      aria-valuetext={standing.row < 0 ? "no prompt" : `${prompts.texts[standing.row]}: ${numbers(standing.row).join(" and ")}`}
      onKeyDown={onKeyDown}
      {...handlers}
    >
      <Points width={width} pixels={pixels} groups={groups} theme={theme} pointed={pointed} />
      <svg width={width + margin.left + margin.right} height={height + margin.top + margin.bottom} aria-hidden="true">
        <g transform={`translate(${margin.left},${margin.top})`}>
          <PlotAxes x={x} y={y} scales={scales} width={width} />
          {box && <Drawn box={box} scales={scales} width={width} />}
        </g>
      </svg>
      {pointed >= 0 && <Callout prompts={prompts} row={pointed} x={pixels[0][pointed]} y={pixels[1][pointed]} width={width} numbers={numbers(pointed)} />}
    </div>
  );
}

/** Where the keyboard stands among the prompts of a group, from left to right. */
function useStanding(prompts: Prompts, xs: Float32Array, mask: Uint8Array) {
  const [at, setAt] = useState(0);
  const order = useMemo(() => Int32Array.from({ length: prompts.n }, (_, row) => row).filter((row) => mask[row] && !Number.isNaN(xs[row])).sort((a, b) => xs[a] - xs[b] || a - b), [xs, mask]);
  const stand = Math.max(0, Math.min(at, order.length - 1));
  return {
    at: stand,
    count: order.length,
    row: order.length ? order[stand] : -1,
    move(step: number): number {
      const next = Math.max(0, Math.min(order.length - 1, stand + step));
      setAt(next);
      return order[next] ?? -1;
    },
  };
}

interface PointsProps {
  width: number;
  pixels: Float32Array[];
  groups: Groups;
  theme: Theme;
  pointed: number;
}

/** A square a prompt: those of no group pale, below those of one. */
function Points({ width, pixels: [xs, ys], groups, theme, pointed }: PointsProps) {
  const { first, second, all } = groups;
  const size = xs.length > 2000 ? 3 : 5;
  const canvas = useCanvas(width + margin.left + margin.right, height + margin.top + margin.bottom, theme, ({ context, colour }) => {
    context.translate(margin.left - size / 2, margin.top - size / 2);
    const draw = (fill: string, alpha: number, wanted: (row: number) => boolean) => {
      context.fillStyle = fill;
      context.globalAlpha = alpha;
      for (let row = 0; row < xs.length; row += 1) if (wanted(row)) context.fillRect(xs[row], ys[row], size, size);
    };
    const dense = xs.length > 2000 ? 0.55 : 0.75;
    if (!all || second) draw(colour("--full"), dense * 0.75, (row) => !first.mask[row] && !second?.mask[row]);
    if (second) draw(colour("--other"), dense, (row) => second.mask[row] === 1);
    draw(colour("--accent"), dense, (row) => first.mask[row] === 1);
    if (pointed < 0) return;
    context.globalAlpha = 1;
    context.strokeStyle = colour("--text");
    context.lineWidth = 1.5;
    context.strokeRect(xs[pointed] - 2, ys[pointed] - 2, size + 4, size + 4);
  }, [xs, ys, first, second, all, pointed]);
  return <canvas ref={canvas} style={{ width: `${width + margin.left + margin.right}px`, height: `${height + margin.top + margin.bottom}px` }} aria-hidden="true" />;
}

interface AxesProps {
  x: Axis;
  y: Axis;
  scales: Scale[];
  width: number;
}

function PlotAxes({ x, y, scales, width }: AxesProps) {
  return (
    <>
      {ticksOf(scales[1], y, height).map((tick) => (
        <g key={tick} transform={`translate(0,${scales[1](tick)})`}>
          <line class="sw-grid-line" x2={width} />
          <text class="sw-axis" x={-6} dy="0.32em" text-anchor="end">{short(tick)}</text>
        </g>
      ))}
      {ticksOf(scales[0], x, width).map((tick) => <text key={tick} class="sw-axis" x={scales[0](tick)} y={height + 15} text-anchor="middle">{short(tick)}</text>)}
      <text class="sw-axis" x={width} y={height + 31} text-anchor="end">{x.label}</text>
      <text class="sw-axis" x={-margin.left + 4} y={-10}>{y.label}</text>
    </>
  );
}

interface DrawnProps {
  box: { xs: [number, number]; ys: [number, number] };
  scales: Scale[];
  width: number;
}

function Drawn({ box, scales, width }: DrawnProps) {
  const within = (pixel: number, most: number) => Math.max(0, Math.min(most, Number.isFinite(pixel) ? pixel : 0));
  const [left, right] = box.xs.map((value) => within(scales[0](value), width));
  const [bottom, top] = box.ys.map((value) => within(scales[1](value), height));
  return <rect class="sw-brush" x={left} y={top} width={Math.max(1, right - left)} height={Math.max(1, bottom - top)} />;
}

interface CalloutProps {
  prompts: Prompts;
  row: number;
  x: number;
  y: number;
  width: number;
  numbers: string[];
}

function Callout({ prompts, row, x, y, width, numbers }: CalloutProps) {
  const side = x > width / 2 ? { right: `${width + margin.right - x + 12}px` } : { left: `${margin.left + x + 12}px` };
  return (
    <div class="sw-study-callout" style={{ ...side, top: `${Math.max(0, y - 12)}px` }}>
      <b>{prompts.texts[row]}</b>
      <span>{prompts.top1[row] && <>next <span class="sw-chip">{prompts.top1[row]}</span> · </>}{numbers.join(" · ")}{prompts.kinds[row] && ` · ${prompts.kinds[row]}`}</span>
    </div>
  );
}
