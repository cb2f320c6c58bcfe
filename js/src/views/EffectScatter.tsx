import { useMemo, useState } from "preact/hooks";
import { useBrush } from "../hooks/useBrush";
import type { FocusedNode } from "../hooks/useFocusedNode";
import { useWidth } from "../hooks/useWidth";
import { idleTo, markNames, vitalFrom, type Effects, type Mark } from "../logic/effects";
import { byStrength, dots, effectY, errorTicks, inBox, margin, nearest, scatterPoints, shareX, type Box, type Frame, type Point } from "../logic/scatter";
import { formatDistance, formatShare, formatSigned, formatSize } from "../logic/scales";
import { componentName } from "../logic/toggles";
import type { ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";

interface Props {
  viewState: ViewState;
  effects: Effects;
  /** Of each component, in the order of the arrays. */
  shares: Float32Array;
  marks: Mark[];
  /** s. */
  size: number;
  focused: FocusedNode;
  picked: ReadonlySet<string> | null;
  onPick(keys: ReadonlySet<string> | null): void;
  /** Makes a group of components; null where there is no room for one. */
  onName: ((keys: Iterable<string>) => void) | null;
  /** Goes to a component's cell. */
  onGo(key: string): void;
}

const height = 146;
const kinds = ["vital", "idle", null] as const;

/** Share against effect: what is small but vital, and what is kept but idle. Pointing and picking are the grid's as well. */
export function EffectScatter(props: Props) {
  const { viewState, effects, shares, marks, size, focused, picked, onPick, onName, onGo } = props;
  const [ref, outerWidth] = useWidth<HTMLDivElement>(480);
  const width = Math.max(80, outerWidth - margin.left - margin.right);
  const order = useMemo(() => byStrength(effects), [effects]);
  const points = useMemo(
    () => scatterPoints(order, shares, effects, marks, viewState.n_heads, { width, height }),
    [order, shares, effects, marks, viewState, width],
  );
  const data = useMemo(() => ({ points, effects, shares }), [points, effects, shares]);
  const brush = useBrush(margin.left, margin.top, {
    onPoint: (x, y) => focused.point(nearest(points, x, y)?.key ?? null),
    onLeave: () => focused.point(null),
    onClick: (x, y) => {
      const point = nearest(points, x, y);
      if (point) onGo(point.key);
      else onPick(null);
    },
    onBox: (box) => onPick(new Set(inBox(points, box))),
  });
  const keys = useStand(points, props);
  const { box } = brush;
  const pointed = focused.node.key;
  // The same elements again cost nothing.
  const picture = useMemo(
    () => <Picture effects={effects} size={size} pointed={pointed} picked={picked} points={points} width={width} box={box} />,
    [effects, size, pointed, picked, points, width, box],
  );
  if (points.length === 0) return null;
  const title = (
    <h4 class="sw-title">
      Share against effect <span class="sw-note">→ share in the trace · ↑ TV when off</span>
    </h4>
  );
  return (
    <section role="group" class="sw-scatter" aria-label="Share against effect" data-testid="scatter">
      <AsTable title={title} of="Share against effect" data={data} text={tableText} />
      <div ref={ref} class="sw-scatter-plot" data-testid="scatter-plot" {...keys} {...brush.handlers}>
        {picture}
      </div>
      <Marked points={points} picked={picked} onPick={onPick} onName={onName} />
    </section>
  );
}

/** The plot as a slider: keys go through the points, the strongest first, and from there to the grid. */
function useStand(points: readonly Point[], { effects, shares, focused, picked, onPick, onGo }: Props) {
  const [rank, setRank] = useState(0);
  const stand = Math.min(rank, points.length - 1);
  const move = (to: number) => {
    const next = Math.max(0, Math.min(points.length - 1, to));
    setRank(next);
    if (points[next]) focused.point(points[next].key);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps: Record<string, number> = {
      ArrowUp: stand - 1, ArrowLeft: stand - 1, ArrowDown: stand + 1, ArrowRight: stand + 1,
      PageUp: stand - 10, PageDown: stand + 10, Home: 0, End: points.length - 1,
    };
    if (event.key in steps) move(steps[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && points[stand]) onGo(points[stand].key);
    else if (event.key === "Escape" && picked) onPick(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return {
    role: "slider" as const,
    tabIndex: 0,
    "aria-label": "Heads and MLPs by effect, the strongest first; Enter goes to the cell",
    "aria-valuemin": 1,
    "aria-valuemax": points.length,
    "aria-valuenow": stand + 1,
    "aria-valuetext": points[stand] && inWords(points[stand], effects, shares),
    onKeyDown,
    onFocus: (event: FocusEvent) => (event.currentTarget as Element).matches(":focus-visible") && move(stand),
    onBlur: () => focused.point(null),
  };
}

/** "Head 23.4, TV 0.665 when off, 20% in the trace, small but vital". */
function inWords({ key, index, mark }: Point, { totalVariation }: Effects, shares: Float32Array): string {
  const parts = [`${componentName(key)}, TV ${formatDistance(totalVariation[index])} when off`, `${formatShare(shares[index])} in the trace`];
  return [...parts, ...(mark ? [markNames[mark]] : [])].join(", ");
}

interface PictureProps extends Pick<Props, "effects" | "size" | "picked"> {
  /** The component that the detail is about. */
  pointed: string;
  points: Point[];
  width: number;
  /** What is being drawn by hand. */
  box: Box | null;
}

function Picture({ effects, size, pointed, picked, points, width, box }: PictureProps) {
  const frame: Frame = { width, height };
  const here = points.find(({ key }) => key === pointed);
  return (
    <svg width={width + margin.left + margin.right} height={height + margin.top + margin.bottom} aria-hidden="true">
      <g transform={`translate(${margin.left},${margin.top})`}>
        <Axes frame={frame} size={size} />
        {kinds.map((mark) => [false, true].map((mlp) => (
          <path
            key={`${mark} ${mlp}`}
            class="sw-dots"
            data-mark={mark ?? "none"}
            data-mlp={mlp}
            data-faded={picked !== null}
            d={dots(points.filter((point) => point.mark === mark && point.mlp === mlp))}
          />
        )))}
        {picked && <path class="sw-dots sw-dots-picked" d={dots(points.filter(({ key }) => picked.has(key)))} />}
        {box && <rect class="sw-brush" x={box.left} y={box.top} width={box.right - box.left} height={box.bottom - box.top} />}
        {here && <Named point={here} text={`${here.key.replace(".mlp", " MLP")} · TV ${formatDistance(effects.totalVariation[here.index])}`} frame={frame} />}
      </g>
    </svg>
  );
}

/** What lies where: the share s that all edges have, and from where on a part is vital, or idle. */
function Axes({ frame, size }: { frame: Frame; size: number }) {
  const { width, height } = frame;
  const x = shareX(size, frame);
  const [vital, idle] = [effectY(vitalFrom, frame), effectY(idleTo, frame)];
  return (
    <>
      <rect class="sw-zone" data-mark="vital" width={x} height={vital} />
      <rect class="sw-zone" data-mark="idle" x={x} y={idle} width={width - x} height={height - idle} />
      {errorTicks.map((tick) => (
        <g key={tick} transform={`translate(0,${effectY(tick, frame)})`}>
          <line class="sw-grid-line" x2={width} />
          <text class="sw-axis" x={-7} dy="0.32em" text-anchor="end">{tick === 0.001 ? "≤ 0.001" : tick}</text>
        </g>
      ))}
      {[0, 0.25, 0.5, 0.75, 1].map((tick) => (
        <text key={tick} class="sw-axis" x={shareX(tick, frame)} y={height + 14} text-anchor={tick === 1 ? "end" : "middle"}>{formatShare(tick)}</text>
      ))}
      <line class="sw-average" x1={x} x2={x} y2={height} />
      <text class="sw-axis" x={Math.max(0, Math.min(x, width - 190))} y={height + 28}>
        s = {formatSize(size)}: the share of all edges
      </text>
    </>
  );
}

/** The one that is pointed at, here or in the grid. */
function Named({ point: { x, y }, text, frame }: { point: Point; text: string; frame: Frame }) {
  const left = x > frame.width - 130;
  return (
    <g class="sw-named" transform={`translate(${x},${y})`}>
      <circle r={7} />
      <text x={left ? -12 : 12} y={y < 10 ? 10 : -4} text-anchor={left ? "end" : "start"}>{text}</text>
    </g>
  );
}

/** Both groups as buttons, which find their members in the grid. */
function Marked({ points, picked, onPick, onName }: Pick<Props, "picked" | "onPick" | "onName"> & { points: Point[] }) {
  return (
    <div class="sw-groups">
      {(["vital", "idle"] as const).map((mark) => {
        const keys = points.filter((point) => point.mark === mark).map(({ key }) => key);
        const pressed = picked !== null && keys.length > 0 && picked.size === keys.length && keys.every((key) => picked.has(key));
        return (
          <button key={mark} type="button" class="sw-button" data-testid={`pick-${mark}`} aria-pressed={pressed} disabled={keys.length === 0} title={meanings[mark]} onClick={() => onPick(pressed ? null : new Set(keys))}>
            <i class="sw-mark" data-mark={mark} aria-hidden="true" /> {markNames[mark]} <b>{keys.length}</b>
          </button>
        );
      })}
      {picked && picked.size > 0 && onName && (
        <button type="button" class="sw-button" data-testid="name-picked" title="Make a group of them, and give that a name" onClick={() => onName(picked)}>
          Name these {picked.size}
        </button>
      )}
      {picked && <button type="button" class="sw-quiet" data-testid="unpick" onClick={() => onPick(null)}>Show all</button>}
      <span class="sw-note sw-hint">drag a box: its cells stand out above</span>
    </div>
  );
}

const meanings = {
  vital: `The trace has less of it than of all edges, and without it the whole model's prediction is at least ${vitalFrom} away, in total variation.`,
  idle: `The trace has more of it than of all edges, and without it the whole model's prediction moves by ${idleTo} at most.`,
};

function tableText({ points, effects, shares }: { points: Point[]; effects: Effects; shares: Float32Array }): TableText {
  return {
    caption: "Heads and MLPs by what the whole model's prediction loses without each, the strongest first",
    head: ["head or MLP", "TV when off", `logit of ${effects.answer} over ${effects.rival}`, "share in the trace", ""],
    rows: points.map(({ key, index, mark }) => [
      componentName(key), formatDistance(effects.totalVariation[index]), formatSigned(effects.logitChange[index]), formatShare(shares[index]), mark ? markNames[mark] : "",
    ]),
  };
}
