import { useToggling } from "../hooks/useToggling";
import type { GraphChoice } from "../hooks/useGraphChoice";
import { isKeptIn, type Scene } from "../logic/graph";
import { arcName, edgeLine, spotName } from "../logic/graphText";
import { formatSize } from "../logic/scales";
import { arcKey, edgeKey, positionKey, toggleState } from "../logic/toggles";
import type { ViewProps } from "./props";
import { StateButton } from "./StateButton";

interface Props extends ViewProps {
  scene: Scene;
  names: string[];
  choice: GraphChoice;
  /** How many edges there is room for. */
  most: number;
}

/** The node that was chosen, or the arc, and the edges into it: each can be switched, and opens its head. */
export function GraphDetail({ model, viewState, shown: { size, toggles, toggleable }, scene, names, choice, most }: Props) {
  const { edges } = scene;
  const { spot, arc } = choice.chosen;
  const heads = viewState.n_heads;
  const { toggleNode } = useToggling(model, toggles, toggleable);
  const listed = choice.listed.slice(0, most);
  const heaviest = Math.max(...listed.map((edge) => edges.weight[edge]), Number.MIN_VALUE);
  const more = choice.listed.length - listed.length;
  const name = arc ? arcName(arc, names) : spotName(spot, names);
  const key = arc ? arcKey(arc.layer, arc.source, arc.target) : positionKey(spot.layer, spot.token);
  return (
    <div class="sw-graph-detail" role="group" aria-label="Edges" data-testid="graph-detail">
      <h4 class="sw-title">
        {name} {listed.length > 0 && <StateButton of={name} state={toggleState(toggles, key)} toggleable={toggleable} onToggle={() => toggleNode(key)} />}{" "}
        <span class="sw-note">{listed.length === 0 ? "no edge enters it" : more > 0 ? `${listed.length} heaviest of ${choice.listed.length} edges` : ""}</span>
      </h4>
      <ul>
        {listed.map((edge) => {
          const [layer, part, target, source] = [edges.layer[edge], edges.part[edge], edges.target[edge], edges.source[edge]];
          const kept = isKeptIn(scene, edge, size.nEdges);
          const opens = part < heads || part === heads + 1;
          const line = edgeLine(edges, edge, viewState, names);
          const own = edgeKey(layer, part, target, source, heads);
          return (
            <li key={edge} class={kept ? "sw-edge sw-edge-kept" : "sw-edge"} title={`weight ${formatSize(edges.weight[edge])}, rank ${edge}, ${kept ? "kept" : "not kept"}`}>
              {opens ? (
                <button type="button" class="sw-edge-name sw-graph-open" data-testid="graph-edge" onClick={() => choice.open(edge)}>
                  {line}
                </button>
              ) : (
                <span class="sw-edge-name">{line}</span>
              )}
              <span class="sw-edge-track">
                <i style={{ width: `${(100 * edges.weight[edge]) / heaviest}%` }} />
              </span>
              <StateButton of={`${line}, one edge`} state={toggleState(toggles, own)} toggleable={toggleable} onToggle={() => toggleNode(own)} />
            </li>
          );
        })}
      </ul>
    </div>
  );
}
