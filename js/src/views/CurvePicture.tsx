import { heightOf, plotHeight, tickAnchor, type Plot } from "../logic/plot";
import { foldEnd } from "../logic/axis";
import { linesOf } from "../logic/quantities";

/** What a drag leaves as it is: the axis, and in the curve its y axis, the trace's own curve over its areas, and the landmarks. */
export function CurvePicture({ plot }: { plot: Plot }) {
  const { width, landmarks, curve, quantity, most, least } = plot;
  const lines = linesOf(quantity, least, most);
  return (
    <>
      {lines.map((value, place) => (
        <g key={value} transform={`translate(0,${heightOf(value, plot)})`}>
          <line class="sw-grid-line" x2={width} />
          <text class="sw-axis" x={-8} y={4} text-anchor="end">
            {place === 0 && `${quantity.name} `}
            {String(Number(value.toPrecision(2))).replace("-", "−")}
          </text>
        </g>
      ))}
      <path class="sw-area sw-area-before" d={curve.before} />
      <path class="sw-area" d={curve.after} />
      <line class="sw-baseline" x2={width} y1={plotHeight + 0.5} y2={plotHeight + 0.5} />
      {landmarks.map(({ nEdges, x, label, labelX }) => (
        <path key={nEdges} class="sw-landmark" d={`M${label ? labelX : x},-11V-9L${x},-2V${plotHeight}`} />
      ))}
      {landmarks.map(({ nEdges, label, labelX }) => label && (
        <text key={nEdges} class="sw-axis sw-landmark-label" data-landmark={nEdges} x={labelX} y={-15} text-anchor="middle">
          {label}
        </text>
      ))}
      <path class="sw-line" d={curve.line} />
    </>
  );
}

interface AxisProps {
  plot: Plot;
  onUnfold(): void;
}

/** Sizes under the curve and over what forms; the folded ones have a place of their own, which opens them. */
export function SizeAxis({ plot: { ticks, width, axis }, onUnfold }: AxisProps) {
  const end = foldEnd(axis);
  const unfold = (event: PointerEvent) => {
    event.stopPropagation(); // no drag
    onUnfold();
  };
  return (
    <>
      {ticks.map(({ label, x }) => (
        <text key={label} class="sw-axis" x={tickAnchor(x, width) === "end" ? x - 5 : x} y={17} text-anchor={tickAnchor(x, width)}>
          {label}
        </text>
      ))}
      {end > 0 && (
        <g class="sw-unfold" data-testid="unfold" onPointerDown={unfold}>
          <title>{"Smaller sizes are folded: nothing happens there yet. Click to give them their width"}</title>
          <rect x={-6} width={end + 12} height={24} />
          <path d={`M${end / 2 - 3},8l-5,5 5,5M${end / 2 + 3},8l5,5 -5,5`} />
        </g>
      )}
    </>
  );
}

/** The folded sizes, as a shade over both pictures, and the break in the axis. */
export function Fold({ plot: { axis }, height }: { plot: Plot; height: number }) {
  const end = foldEnd(axis);
  return end > 0 ? (
    <g class="sw-fold">
      <rect width={end} height={height} />
      <path d={`M${end - 2.5},0V${height}M${end},0V${height}`} />
    </g>
  ) : null;
}
