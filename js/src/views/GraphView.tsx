import { useMemo, useState } from "preact/hooks";
import type { FocusedNode } from "../hooks/useFocusedNode";
import { coloursAt } from "../hooks/useGraphCanvas";
import { useGraphChoice } from "../hooks/useGraphChoice";
import { useWidth } from "../hooks/useWidth";
import { edgesUpTo, graphEdges, graphLayout, graphScene, lastWindow, strokesUpTo, wishedWidth, type GraphEdges, type Scene } from "../logic/graph";
import { graphSvg } from "../logic/graphPaint";
import { switchedMarks, switchedSvg } from "../logic/graphSwitched";
import { edgeName } from "../logic/graphText";
import { topToken } from "../logic/reading";
import { formatCount, formatProbability, formatSize } from "../logic/scales";
import { placedNames, tokenNames, visibleToken } from "../logic/tokenText";
import type { ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import { download } from "./browser";
import { GraphDetail } from "./GraphDetail";
import { GraphPicture } from "./GraphPicture";
import type { ViewProps } from "./props";

interface Props extends ViewProps {
  focused: FocusedNode;
}

const besides = 320; // px for the edges of a node, where the picture leaves them
const besideFrom = 58; // px a token

/** The trace, drawn: tokens by layers, its edges as they enter. Old files do not have it. */
export function GraphView(props: Props) {
  const edges = useMemo(() => graphEdges(props.viewState), [props.viewState]);
  return edges.count > 0 ? <Graph {...props} edges={edges} /> : null;
}

function Graph(props: Props & { edges: GraphEdges }) {
  const { viewState, shown, theme, focused, edges } = props;
  const { size, reading } = shown;
  const [ref, width] = useWidth<HTMLDivElement>(960);
  const [asked, setAsked] = useState(Infinity);
  const beside = viewState.n_tokens * besideFrom + besides <= width;
  const room = beside ? Math.min(width - besides, wishedWidth(viewState.n_tokens)) : width;
  const furthest = lastWindow(viewState.n_tokens, room);
  const first = Math.min(asked, furthest);
  const layout = useMemo(() => graphLayout(viewState, room, first), [viewState, room, first]);
  const scene = useMemo(() => graphScene(viewState, edges, layout, shown.toggles), [viewState, edges, layout, shown.toggles]);
  const names = useMemo(() => placedNames(viewState.tokens), [viewState]);
  const choice = useGraphChoice(scene, viewState, size.nEdges, focused, shown.naming.lit);
  const drawn = edgesUpTo(scene, size.nEdges);
  const data = useMemo(() => ({ viewState, scene, names, drawn, kept: size.nEdges }), [viewState, scene, names, drawn, size.nEdges]);
  const top = topToken(reading);
  const save = (button: HTMLElement) => {
    const colours = coloursAt(button);
    const caption = {
      tokens: layout.tokens.map((token) => tokenNames(viewState.tokens)[token]),
      prediction: `${visibleToken(top.token)} ${formatProbability(top.probability)}`,
      title: `s-Trace of “${viewState.prompt}” on ${viewState.model}: ${formatCount(size.nEdges)} of ${formatCount(viewState.n_edges)} edges`,
    };
    download(graphSvg(scene.strokes, strokesUpTo(scene.strokes, size.nEdges), layout, colours, caption, switchedSvg(switchedMarks(scene, shown.toggles), colours)), "strace-graph.svg", "image/svg+xml");
  };
  const title = (
    <>
      <h3 class="sw-title">
        Graph <span class="sw-note" data-testid="graph-drawn">{drawnOf(drawn, Math.min(edges.count, size.nEdges), size.nEdges, Object.keys(shown.toggles).length > 0)}</span>
      </h3>
      <button type="button" class="sw-as-table" data-testid="graph-save" title="Save this picture as an SVG file" onClick={(event) => save(event.currentTarget)}>
        save as SVG
      </button>
    </>
  );
  return (
    <section role="group" class="sw-graph" aria-label="Graph">
      <AsTable title={title} of="Graph" data={data} text={tableText} />
      <div ref={ref} class={beside ? "sw-graph-row sw-graph-beside" : "sw-graph-row"}>
        <GraphPicture {...props} scene={scene} names={names} choice={choice} theme={theme} />
        <GraphDetail {...props} scene={scene} names={names} choice={choice} most={beside ? 20 : 12} />
      </div>
      {furthest > 0 && <GraphWindow tokens={layout.tokens} all={viewState.n_tokens} furthest={furthest} first={first} onMove={setAsked} />}
      <p class="sw-legend sw-graph-legend">
        <span><svg viewBox="0 0 14 10" aria-hidden="true"><path class="sw-graph-residual" d="M7 0V10" /></svg> residual</span>
        <span><svg viewBox="0 0 14 10" aria-hidden="true"><path class="sw-graph-attention" d="M1 10C1 5 13 5 13 0" /></svg> attention, from source up to target</span>
        <span><svg viewBox="0 0 14 10" aria-hidden="true"><path class="sw-graph-mlp" d="M4 10C12 9 12 1 4 0" /></svg> MLP</span>
        <span>wider: heavier</span>
        <span class="sw-entering"><svg viewBox="0 0 14 10" aria-hidden="true"><path class="sw-graph-entering" d="M1 10C1 5 13 5 13 0" /></svg> entering as you drag</span>
        <span class="sw-hint">{shown.toggleable && "click a node: auto → off → on · "}click an arc: open its head</span>
      </p>
    </section>
  );
}

/** "all 1,204 edges of the trace", or of how many of them it draws, and which. */
function drawnOf(drawn: number, first: number, kept: number, toggled: boolean): string {
  if (toggled) return `${formatCount(drawn)} edges drawn, with toggles${first < kept ? `, of the first ${formatCount(first)} by rank` : ""}`;
  if (drawn >= kept) return `all ${formatCount(kept)} edges of the trace, the prediction on top`;
  const among = first < kept ? `the first ${formatCount(first)} by rank` : "";
  const between = drawn < first ? "those between the tokens shown" : "";
  return `${formatCount(drawn)} of the trace's ${formatCount(kept)} edges drawn: ${[between, among].filter(Boolean).join(" among ")}`;
}

interface WindowProps {
  tokens: number[];
  all: number;
  furthest: number;
  first: number;
  onMove(first: number): void;
}

/** Which tokens are shown, where not all of them fit; the last one always is. */
function GraphWindow({ tokens, all, furthest, first, onMove }: WindowProps) {
  const text = `tokens ${formatCount(tokens[0])} to ${formatCount(tokens[tokens.length - 2])}, and the last one: ${formatCount(tokens.length)} of ${formatCount(all)} shown`;
  return (
    <label class="sw-window">
      <input type="range" min={0} max={furthest} value={first} aria-label="First token of the graph" aria-valuetext={text} onInput={(event) => onMove(Number(event.currentTarget.value))} />
      <span class="sw-note">{text}</span>
    </label>
  );
}

const listed = 200;

interface Data {
  viewState: ViewState;
  scene: Scene;
  names: string[];
  drawn: number;
  kept: number;
}

function tableText({ viewState, scene: { edges, shown }, names, drawn, kept }: Data): TableText {
  const rows = Array.from(shown.subarray(0, Math.min(drawn, listed)));
  return {
    caption: `The edges of the trace that are drawn, in its order: ${formatCount(rows.length)} of ${formatCount(kept)}`,
    head: ["rank", "edge", "layer", "from", "to", "weight"],
    rows: rows.map((edge) => [
      formatCount(edge),
      edgeName(edges.part[edge], viewState),
      String(edges.layer[edge]),
      names[edges.source[edge]],
      names[edges.target[edge]],
      formatSize(edges.weight[edge]),
    ]),
  };
}
