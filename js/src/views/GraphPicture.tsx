import { range } from "d3-array";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { useGraphCanvas } from "../hooks/useGraphCanvas";
import type { GraphChoice, Pointed } from "../hooks/useGraphChoice";
import { useToggling } from "../hooks/useToggling";
import { arcAt, columnX, isKeptIn, layerY, margin, spotAt, spotX, type Layout, type Scene, type Spot } from "../logic/graph";
import { switchedMarks } from "../logic/graphSwitched";
import { arcName, edgeLine, spotName } from "../logic/graphText";
import { topToken } from "../logic/reading";
import { formatProbability, formatSize } from "../logic/scales";
import { labelHeight } from "../logic/strip";
import { fitted, tokenNames, visibleToken } from "../logic/tokenText";
import { positionKey, toggleState } from "../logic/toggles";
import type { ViewProps } from "./props";

interface Props extends ViewProps {
  scene: Scene;
  /** The tokens' names, each another one. */
  names: string[];
  choice: GraphChoice;
}

const reach = { spot: 6, arc: 6 }; // px
const uprightFrom = 46; // px a token, for names that lie flat

/** The canvases, and over them what is text or takes the focus. */
export function GraphPicture(props: Props) {
  const { model, viewState, shown, theme, scene, choice } = props;
  const { size, toggles, toggleable } = shown;
  const { layout } = scene;
  const { toggleNode } = useToggling(model, toggles, toggleable);
  const toggle = ({ layer, token }: Spot) => layer >= 0 && toggleNode(positionKey(layer, token));
  const canvas = useGraphCanvas(scene, theme, size.nEdges, size.moving, choice.edges);
  const axes = useMemo(() => <Axes layout={layout} names={tokenNames(viewState.tokens)} />, [layout, viewState]);
  const at = (event: MouseEvent): Pointed | null => {
    const box = canvas.trace.current?.getBoundingClientRect();
    return box ? pointedAt(scene, size.nEdges, event.clientX - box.left, event.clientY - box.top) : null;
  };
  const click = (event: MouseEvent) => {
    const found = at(event);
    if (!found) return;
    choice.choose(found);
    if (!found.arc) return toggle(found.spot);
    const { weight } = scene.edges;
    const [heaviest] = found.arc.edges.filter((edge) => isKeptIn(scene, edge, size.nEdges)).sort((first, second) => weight[second] - weight[first]);
    if (heaviest !== undefined) choice.open(heaviest);
  };
  return (
    <div class="sw-graph-picture" style={{ width: `${layout.width}px` }}>
      <div
        class="sw-graph-canvas"
        style={{ height: `${layout.height}px` }}
        data-pointed={choice.pointed ? (choice.pointed.arc ? "arc" : "node") : undefined}
        onPointerMove={(event) => choice.point(size.moving ? null : at(event))}
        onPointerLeave={() => choice.point(null)}
        onClick={click}
      >
        <canvas ref={canvas.trace} data-testid="graph-canvas" role="img" aria-label={`The trace as a graph of ${viewState.n_tokens} tokens and ${viewState.n_layers} layers`} />
        <canvas ref={canvas.over} aria-hidden="true" />
        <Switched {...props} />
        <Prediction {...props} />
        <Rover {...props} onToggle={toggle} />
        {choice.pointed && <Tip {...props} pointed={choice.pointed} />}
      </div>
      {axes}
    </div>
  );
}

/** A node before an arc: it is smaller. */
function pointedAt(scene: Scene, nEdges: number, x: number, y: number): Pointed | null {
  const spot = spotAt(scene.layout, x, y, Math.min(reach.spot, 0.45 * scene.layout.pitchY));
  if (spot) return { spot, arc: null };
  const arc = arcAt(scene, nEdges, x, y, reach.arc);
  return arc && { spot: { layer: arc.layer, token: arc.target }, arc };
}

/** What is switched: positions by a mark, edges by a line of their own. */
function Switched({ shown: { toggles }, scene }: Props) {
  return useMemo(() => {
    const { spots, edges } = switchedMarks(scene, toggles);
    return (
      <>
        {(edges.off || edges.on) && (
          <svg class="sw-graph-switched" aria-hidden="true">
            <path data-state="off" d={edges.off} />
            <path data-state="on" d={edges.on} />
          </svg>
        )}
        {spots.map(({ key, x, y, state }) => (
          <i key={key} class="sw-graph-mark" data-state={state} style={{ left: `${x}px`, top: `${y}px` }} />
        ))}
      </>
    );
  }, [toggles, scene]);
}

/** What the subgraph predicts, over the node that predicts it. */
function Prediction({ shown: { reading }, scene: { layout } }: Props) {
  const top = topToken(reading);
  const [x, y] = [columnX(layout, layout.tokens.length - 1), layerY(layout, layout.layers - 1)];
  return (
    <>
      <i class="sw-graph-output" style={{ left: `${x}px`, top: `${y}px` }} />
      <p class="sw-graph-prediction" data-state={reading.state} style={{ right: `${layout.width - x - 11}px`, bottom: `${layout.height - y + 10}px` }}>
        <bdi>{visibleToken(top.token)}</bdi> <b>{formatProbability(top.probability)}</b>
      </p>
    </>
  );
}

/** The numbers of the layers and the names of the tokens. */
function Axes({ layout, names }: { layout: Layout; names: string[] }) {
  const { tokens, pitchX, pitchY } = layout;
  const flat = pitchX >= uprightFrom;
  const labelled = Math.ceil(13 / pitchX);
  const labels = fitted(names, flat ? Math.floor((pitchX - 4) / 7) : 10);
  const layersEvery = Math.ceil(13 / pitchY);
  const last = tokens.length - 1;
  const gap = last > 0 && tokens[last - 1] < tokens[last] - 1;
  return (
    <div aria-hidden="true">
      {range(0, layout.layers, layersEvery).map((layer) => (
        <span key={layer} class="sw-graph-layer" style={{ top: `${layerY(layout, layer) + pitchY / 2}px`, width: `${margin.left - 8}px` }}>{layer}</span>
      ))}
      <div class={flat ? "sw-graph-tokens" : "sw-graph-tokens sw-graph-upright"} style={{ height: `${labelHeight(tokens.map((token) => labels[token]), flat)}px`, "--column": `${flat ? pitchX : Math.max(13, pitchX)}px` }}>
        {tokens.map(
          (token, column) =>
            (last - column) % labelled === 0 &&
            !(gap && column === last - 1 && labelled === 1 && pitchX < 20) && (
              <bdi key={token} data-last={column === last} style={{ left: `${columnX(layout, column)}px` }}>{labels[token]}</bdi>
            ),
        )}
        {gap && <i style={{ left: `${columnX(layout, last) - pitchX / 2}px` }} />}
      </div>
    </div>
  );
}

/** The one node that takes the focus: the arrows lead from node to node. */
function Rover(props: Props & { onToggle(spot: Spot): void }) {
  const { scene, choice, onToggle, shown } = props;
  const { layout } = scene;
  const { spot } = choice.chosen;
  const moved = useRef(false);
  const button = useRef<HTMLButtonElement>(null);
  const seen = layout.columns[spot.token] >= 0 ? spot : { layer: spot.layer, token: layout.tokens[0] };
  useLayoutEffect(() => {
    if (moved.current) button.current?.focus({ focusVisible: true } as FocusOptions);
    moved.current = false;
  }, [seen.layer, seen.token]);
  const press = (event: KeyboardEvent) => {
    if (event.metaKey || event.altKey) return;
    const next = neighbour(layout, seen, event.key, event.ctrlKey);
    if (!next) return;
    event.preventDefault();
    moved.current = next.layer !== seen.layer || next.token !== seen.token;
    choice.choose({ spot: next, arc: null });
  };
  return (
    <button
      key={`${seen.layer} ${seen.token}`} // another node is another element: it is read out
      ref={button}
      type="button"
      class="sw-graph-rover"
      data-testid="graph-node"
      data-node={`${seen.layer}@${seen.token}`}
      aria-label={nodeText(props, seen)}
      aria-disabled={!shown.toggleable || seen.layer < 0 || undefined}
      aria-keyshortcuts="ArrowUp ArrowDown ArrowLeft ArrowRight Home End"
      style={{ left: `${spotX(layout, seen)}px`, top: `${layerY(layout, seen.layer)}px` }}
      onKeyDown={press}
      onFocus={() => choice.choose({ spot: seen, arc: null })}
      onClick={(event) => {
        event.stopPropagation();
        choice.choose({ spot: seen, arc: null });
        onToggle(seen);
      }}
    />
  );
}

function nodeText({ shown: { size, toggles }, scene, names, choice }: Props, spot: Spot): string {
  const kept = choice.listed.filter((edge) => isKeptIn(scene, edge, size.nEdges)).length;
  const name = spotName(spot, names);
  const capital = name[0].toUpperCase() + name.slice(1);
  return spot.layer < 0 ? capital : `${capital}, ${toggleState(toggles, positionKey(spot.layer, spot.token))}, ${kept} edges into it kept`;
}

/** Where a key leads from a node, among those that are shown; in the last layer only the last token is in the graph. */
function neighbour(layout: Layout, { layer, token }: Spot, key: string, control: boolean): Spot | null {
  const column = layout.columns[token];
  const last = layout.tokens.length - 1;
  const to = (across: number, up: number): Spot => {
    const clamped = Math.max(0, Math.min(last, across));
    const highest = layout.layers - (clamped === last ? 1 : 2);
    return { layer: Math.max(-1, Math.min(highest, up)), token: layout.tokens[clamped] };
  };
  const moves: Record<string, Spot> = {
    ArrowUp: to(column, layer + 1),
    ArrowDown: to(column, layer - 1),
    ArrowLeft: to(column - 1, layer),
    ArrowRight: to(column + 1, layer),
    Home: to(0, control ? -1 : layer),
    End: to(last, control ? layout.layers : layer),
  };
  return moves[key] ?? null;
}

const tipLines = 7;

/** What is under the pointer: a node with the strongest edges into it, or an arc with its heads and their weights. */
function Tip({ viewState, shown: { toggles }, scene, names, choice, pointed }: Props & { pointed: Pointed }) {
  const { layout, edges } = scene;
  const { spot, arc } = pointed;
  const kept = [...choice.edges].sort((first, second) => edges.weight[second] - edges.weight[first]);
  const sum = kept.reduce((total, edge) => total + edges.weight[edge], 0);
  // Beside a node, over or under an arc, whichever is nearer to the middle.
  const x = arc ? (columnX(layout, layout.columns[arc.source]) + spotX(layout, spot)) / 2 : spotX(layout, spot);
  const y = layerY(layout, spot.layer);
  const state = arc ? "auto" : toggleState(toggles, positionKey(spot.layer, spot.token));
  const low = y > layout.height / 2;
  const side = x > layout.width / 2 ? { right: `${layout.width - x + 12}px` } : { left: `${x + 12}px` };
  const over = arc ? (low ? { bottom: `${layout.height - y + 8}px` } : { top: `${y + layout.pitchY + 8}px` }) : low ? { bottom: `${layout.height - y - 14}px` } : { top: `${y - 14}px` };
  return (
    <div class="sw-graph-tip" data-testid="graph-tip" aria-hidden="true" style={{ ...side, ...over }}>
      <p>
        {arc ? arcName(arc, names) : spotName(spot, names)}
        {state !== "auto" && `, ${state}`}
      </p>
      <p class="sw-note">
        {kept.length === 0 ? (spot.layer >= 0 ? "no edge into it is kept" : "where the prompt comes in") : `${kept.length} ${arc ? (kept.length === 1 ? "head" : "heads") : "edges into it"}, weight ${formatSize(sum)}`}
      </p>
      <ul>
        {kept.slice(0, tipLines).map((edge) => (
          <li key={edge}>
            <span>{arc ? `head ${edges.layer[edge]}.${edges.part[edge]}` : edgeLine(edges, edge, viewState, names)}</span> <b>{formatSize(edges.weight[edge])}</b>
          </li>
        ))}
      </ul>
      {kept.length > tipLines && <p class="sw-note">and {kept.length - tipLines} more</p>}
    </div>
  );
}
