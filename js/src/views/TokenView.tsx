import { range } from "d3-array";
import { useMemo, useState } from "preact/hooks";
import { useWidth } from "../hooks/useWidth";
import { formatShare } from "../logic/scales";
import { fitStrip, shownOfAll, tokensIn, type StripCell } from "../logic/strip";
import { stripCells, type Trace } from "../logic/trace";
import { tokenNames } from "../logic/tokenText";
import type { ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import type { ViewProps } from "./props";
import { StripLabels } from "./StripLabels";
import { TokenStrip } from "./TokenStrip";

/** Tokens × layers: the share of edges kept into each position, last layer on top. */
export function TokenView({ viewState, shown: { trace }, theme }: ViewProps) {
  const [ref, width] = useWidth<HTMLDivElement>(400);
  const [pointed, setPointed] = useState<StripCell | null>(null);
  const [asked, setAsked] = useState(Infinity);
  const { n_layers: layers, tokens_per_cell: perCell } = viewState;
  const cells = stripCells(viewState);
  const strip = useMemo(() => fitStrip(width, cells, layers), [width, cells, layers]);
  const { shown } = strip;
  // The window opens at the end, where the prediction is made.
  const first = Math.min(asked, cells - shown);
  const tokens = useMemo(() => tokenNames(viewState.tokens), [viewState]);
  const names = useMemo(() => range(cells).map((cell) => tokens[cell * perCell]), [tokens]);
  // The same elements again cost nothing: a drag of the size leaves them as they are.
  const labels = useMemo(() => <StripLabels names={names} strip={strip} first={first} />, [names, strip, first]);
  const data = useMemo(() => ({ viewState, tokens, trace, first, shown }), [viewState, trace, first, shown]);
  const note = pointed ? describe(viewState, tokens, trace, pointed) : `edges kept into each position${perCell > 1 ? `, ${perCell} tokens a cell` : ""}`;
  return (
    <section role="group" class="sw-positions" aria-label="Tokens by layers">
      <AsTable
        title={
          <h3 class="sw-title">
            Tokens × layers <span class="sw-note">{note}</span>
          </h3>
        }
        of="Tokens by layers"
        data={data}
        text={tableText}
      />
      <div ref={ref} class="sw-strip-box">
        <p class="sw-strip-layers" aria-hidden="true" style={{ height: `${layers * strip.cellHeight}px` }}>
          <span>{layers - 1}</span>
          <span>layer</span>
          <span>0</span>
        </p>
        <TokenStrip viewState={viewState} trace={trace} theme={theme} strip={strip} first={first} pointed={pointed} onPoint={setPointed} />
        {labels}
      </div>
      {shown < cells && <StripWindow viewState={viewState} first={first} shown={shown} onMove={setAsked} />}
    </section>
  );
}

interface WindowProps {
  viewState: ViewState;
  first: number;
  shown: number;
  onMove(first: number): void;
}

/** Which tokens are shown, where not all of them fit. */
function StripWindow({ viewState, first, shown, onMove }: WindowProps) {
  const text = `${tokensIn(viewState, first, first + shown)}: ${shownOfAll(viewState, first, first + shown)}`;
  return (
    <label class="sw-window">
      <input
        type="range"
        min={0}
        max={stripCells(viewState) - shown}
        value={first}
        aria-label="First token shown"
        aria-valuetext={text}
        onInput={(event) => onMove(Number(event.currentTarget.value))}
      />
      <span class="sw-note">{text}</span>
    </label>
  );
}

const shareAt = (viewState: ViewState, trace: Trace, { cell, layer }: StripCell): string => formatShare(trace.strip[layer * stripCells(viewState) + cell] / 255);

function describe(viewState: ViewState, tokens: string[], trace: Trace, pointed: StripCell): string {
  const first = pointed.cell * viewState.tokens_per_cell;
  const name = viewState.tokens_per_cell > 1 ? tokensIn(viewState, pointed.cell, pointed.cell + 1) : tokens[first];
  return `layer ${pointed.layer}, ${name}: ${shareAt(viewState, trace, pointed)} kept`;
}

interface Data {
  viewState: ViewState;
  /** Their names. */
  tokens: string[];
  trace: Trace;
  first: number;
  shown: number;
}

function tableText({ viewState, tokens, trace, first, shown }: Data): TableText {
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
      tokens.slice(cell * perCell, (cell + 1) * perCell).join(" "),
      ...layers.map((layer) => (inGraph(cell, layer) ? shareAt(viewState, trace, { cell, layer }) : "–")),
    ]),
  };
}
