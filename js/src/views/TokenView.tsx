import { range } from "d3-array";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useWidth } from "../hooks/useWidth";
import { formatCount, formatShare, rampBytes, visibleToken, type Theme } from "../logic/scales";
import { stripShades } from "../logic/shades";
import { fitStrip, labelHeight } from "../logic/strip";
import { stripCells, type Trace } from "../logic/trace";
import type { ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import type { ViewProps } from "./props";

/** Tokens × layers: the share of edges kept into each position, last layer on top. */
export function TokenView({ viewState, shown: { trace }, theme }: ViewProps) {
  const [ref, width] = useWidth<HTMLDivElement>(400);
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const [asked, setAsked] = useState(Infinity);
  const { n_layers: layers, tokens_per_cell: perCell } = viewState;
  const cells = stripCells(viewState);
  const { shown, cellWidth, cellHeight, flat, labelEvery } = useMemo(() => fitStrip(width, cells, layers), [width, cells, layers]);
  // The window opens at the end, where the prediction is made.
  const first = Math.min(asked, cells - shown);
  const canvas = useShades(viewState, trace, theme, first, shown);

  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / cellWidth);
    const layer = layers - 1 - Math.floor((event.clientY - box.top) / cellHeight);
    if (column >= 0 && column < shown && layer >= 0 && layer < layers) setPointed({ cell: first + column, layer });
  };

  const names = useMemo(() => range(cells).map((cell) => visibleToken(viewState.tokens[cell * perCell])), [viewState]);
  const labels = useMemo(
    () => (
      <div class={flat ? "sw-strip-labels" : "sw-strip-labels sw-strip-upright"} style={{ "--cell-x": `${cellWidth}px`, height: `${labelHeight(names, flat)}px` }} aria-hidden="true">
        {range(first + ((shown - 1) % labelEvery), first + shown, labelEvery).map((cell) => (
          <bdi key={cell} style={{ left: `${(cell - first) * cellWidth}px` }}>{names[cell]}</bdi>
        ))}
      </div>
    ),
    [names, first, shown, cellWidth, flat, labelEvery],
  );
  const windowText = `${tokensIn(viewState, first, first + shown)}: ${shownOfAll(viewState, first, first + shown)}`;
  const data = useMemo(() => ({ viewState, trace, first, shown }), [viewState, trace, first, shown]);
  return (
    <section role="group" class="sw-positions" aria-label="Tokens by layers">
      <AsTable
        title={
          <h3 class="sw-title">
            Tokens × layers <span class="sw-note">{pointed ? describe(viewState, trace, pointed) : `edges kept into each position${perCell > 1 ? `, ${perCell} tokens a cell` : ""}`}</span>
          </h3>
        }
        of="Tokens by layers"
        data={data}
        text={tableText}
      />
      <div ref={ref} class="sw-strip-box">
        <div
          class="sw-strip"
          role="img"
          aria-label={`Share of edges kept into ${tokensIn(viewState, first, first + shown)} in ${layers} layers`}
          style={{ width: `${shown * cellWidth}px`, height: `${layers * cellHeight}px`, "--cell-x": `${cellWidth}px`, "--cell-y": `${cellHeight}px` }}
          data-gaps={`${cellWidth > 10 ? "x" : ""}${cellHeight > 6 ? "y" : ""}`}
          onPointerMove={point}
          onPointerLeave={() => setPointed(null)}
        >
          <canvas ref={canvas} width={shown} height={layers} />
          {pointed && (
            <i class="sw-strip-point" style={{ left: `${(pointed.cell - first) * cellWidth}px`, top: `${(layers - 1 - pointed.layer) * cellHeight}px` }} />
          )}
        </div>
        {labels}
      </div>
      {shown < cells && (
        <label class="sw-window">
          <input
            type="range"
            min={0}
            max={cells - shown}
            value={first}
            aria-label="First token shown"
            aria-valuetext={windowText}
            onInput={(event) => setAsked(Number(event.currentTarget.value))}
          />
          <span class="sw-note">{windowText}</span>
        </label>
      )}
    </section>
  );
}

/** One pixel a cell, drawn large by the style sheet: the strip of any prompt follows the hand. */
function useShades(viewState: ViewState, trace: Trace, theme: Theme, first: number, shown: number) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ramp = useMemo(() => rampBytes(theme), [theme]);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(shown, viewState.n_layers);
    stripShades(viewState, trace, first, shown).forEach((shade, place) => {
      image.data.set(ramp.subarray(4 * shade, 4 * shade + 4), 4 * place);
    });
    context.putImageData(image, 0, 0);
  }, [viewState, trace, ramp, first, shown]);
  return canvas;
}

/** The first and the last token in some cells of the strip. */
const span = ({ n_tokens, tokens_per_cell }: ViewState, firstCell: number, endCell: number): [first: number, last: number] => [
  firstCell * tokens_per_cell,
  Math.min(n_tokens, endCell * tokens_per_cell) - 1,
];

/** "token 7" or "tokens 8 to 15". */
function tokensIn(viewState: ViewState, firstCell: number, endCell: number): string {
  const [first, last] = span(viewState, firstCell, endCell);
  return first === last ? `token ${formatCount(first)}` : `tokens ${formatCount(first)} to ${formatCount(last)}`;
}

/** "65 of 2,000 shown". */
function shownOfAll(viewState: ViewState, firstCell: number, endCell: number): string {
  const [first, last] = span(viewState, firstCell, endCell);
  return `${formatCount(last - first + 1)} of ${formatCount(viewState.n_tokens)} shown`;
}

interface Pointed {
  cell: number;
  layer: number;
}

const shareAt = (viewState: ViewState, trace: Trace, { cell, layer }: Pointed): string => formatShare(trace.strip[layer * stripCells(viewState) + cell] / 255);

function describe(viewState: ViewState, trace: Trace, pointed: Pointed): string {
  const first = pointed.cell * viewState.tokens_per_cell;
  const name = viewState.tokens_per_cell > 1 ? tokensIn(viewState, pointed.cell, pointed.cell + 1) : visibleToken(viewState.tokens[first]);
  return `layer ${pointed.layer}, ${name}: ${shareAt(viewState, trace, pointed)} kept`;
}

function tableText({ viewState, trace, first, shown }: { viewState: ViewState; trace: Trace; first: number; shown: number }): TableText {
  const layers = range(viewState.n_layers);
  const perCell = viewState.tokens_per_cell;
  // In the last layer only the last token leads to the prediction: what enters the others is not in the graph.
  const inGraph = (cell: number, layer: number) => layer < viewState.n_layers - 1 || cell === stripCells(viewState) - 1;
  const notes = [shown < stripCells(viewState) && shownOfAll(viewState, first, first + shown), perCell > 1 && `${perCell} tokens a row`];
  return {
    caption: ["Share of the edges into each token that are kept, by layer", ...notes.filter(Boolean)].join("; "),
    head: ["", "token", ...layers.map((layer) => `layer ${layer}`)],
    rows: range(first, first + shown).map((cell) => [
      String(cell * perCell),
      viewState.tokens.slice(cell * perCell, (cell + 1) * perCell).map(visibleToken).join(" "),
      ...layers.map((layer) => (inGraph(cell, layer) ? shareAt(viewState, trace, { cell, layer }) : "–")),
    ]),
  };
}
