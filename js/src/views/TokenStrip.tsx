import { useStripCanvas } from "../hooks/useStripCanvas";
import type { Theme } from "../logic/scales";
import { tokensIn, type Strip, type StripCell } from "../logic/strip";
import type { Trace } from "../logic/trace";
import type { ViewState } from "../protocol/types";

interface Props {
  viewState: ViewState;
  trace: Trace;
  theme: Theme;
  strip: Strip;
  /** The first cell that is shown. */
  first: number;
  pointed: StripCell | null;
  /** The cell under the pointer, or null as it leaves. */
  onPoint(cell: StripCell | null): void;
}

/** The picture of tokens × layers: a column for each cell that is shown, a row for each layer, the last one on top. */
export function TokenStrip({ viewState, trace, theme, strip, first, pointed, onPoint }: Props) {
  const { n_layers: layers } = viewState;
  const { shown, cellWidth, cellHeight } = strip;
  const canvas = useStripCanvas(viewState, trace, theme, first, shown);
  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / cellWidth);
    const layer = layers - 1 - Math.floor((event.clientY - box.top) / cellHeight);
    if (column >= 0 && column < shown && layer >= 0 && layer < layers) onPoint({ cell: first + column, layer });
  };
  return (
    <div
      class="sw-strip"
      role="img"
      aria-label={`Share of edges kept into ${tokensIn(viewState, first, first + shown)} in ${layers} layers`}
      style={{ width: `${shown * cellWidth}px`, height: `${layers * cellHeight}px`, "--cell-x": `${cellWidth}px`, "--cell-y": `${cellHeight}px` }}
      data-gaps={`${cellWidth > 10 ? "x" : ""}${cellHeight > 6 ? "y" : ""}`}
      onPointerMove={point}
      onPointerLeave={() => onPoint(null)}
    >
      <canvas ref={canvas} width={shown} height={layers} />
      {pointed && (
        <i class="sw-strip-point" style={{ left: `${(pointed.cell - first) * cellWidth}px`, top: `${(layers - 1 - pointed.layer) * cellHeight}px` }} />
      )}
    </div>
  );
}
