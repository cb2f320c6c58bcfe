import { labelHeight, plotHeight, tickAnchor, type Plot } from "../logic/plot";
import { sizeTicks } from "../logic/scales";

interface Props {
  plot: Plot;
  /** All edges of the model. */
  nEdges: number;
  caption: string;
}

/** What a drag leaves as it is: the axes, the trace's own curve over its areas, and the landmarks. */
export function CurvePicture({ plot: { width, top, scale, landmarks, curve }, nEdges: allEdges, caption }: Props) {
  return (
    <>
      <text class="sw-axis" x={-8} y={5} text-anchor="end">TV 1</text>
      <text class="sw-axis" x={-8} y={plotHeight} text-anchor="end">TV 0</text>
      <text class="sw-axis" x={0} y={14 - top}>{caption}</text>
      <path class="sw-area sw-area-before" d={curve.before} />
      <path class="sw-area" d={curve.after} />
      <line class="sw-baseline" x2={width} y1={plotHeight + 0.5} y2={plotHeight + 0.5} />
      {sizeTicks(allEdges).map(({ nEdges, label }) => (
        <text key={label} class="sw-axis" x={scale(nEdges)} y={plotHeight + 17} text-anchor={tickAnchor(scale(nEdges), width)}>
          {label}
        </text>
      ))}
      {landmarks.map(({ nEdges, x, line }) => (
        <line key={nEdges} class="sw-landmark" x1={x} x2={x} y1={5 - top + line * labelHeight} y2={plotHeight} />
      ))}
      {landmarks.map(({ nEdges, label, x, anchor, line }) => (
        <text
          key={nEdges}
          class="sw-axis sw-landmark-label"
          data-landmark={nEdges}
          x={x + (anchor === "start" ? 5 : -5)}
          y={14 - top + line * labelHeight}
          text-anchor={anchor}
        >
          {label}
        </text>
      ))}
      <path class="sw-line" d={curve.line} />
    </>
  );
}
