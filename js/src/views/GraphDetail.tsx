import type { GraphChoice } from "../hooks/useGraphChoice";
import type { Scene } from "../logic/graph";
import { arcName, edgeLine, spotName } from "../logic/graphText";
import { formatSize } from "../logic/scales";
import type { ViewProps } from "./props";

interface Props extends ViewProps {
  scene: Scene;
  names: string[];
  choice: GraphChoice;
}

const shownEdges = 12;

/** The edges into the node that was chosen, or of the arc: each opens its head. */
export function GraphDetail({ viewState, shown: { size }, scene, names, choice }: Props) {
  const { edges } = scene;
  const { spot, arc } = choice.chosen;
  const heads = viewState.n_heads;
  const listed = choice.listed.slice(0, shownEdges);
  const heaviest = Math.max(...listed.map((edge) => edges.weight[edge]), Number.MIN_VALUE);
  const more = choice.listed.length - listed.length;
  return (
    <div class="sw-graph-detail" role="group" aria-label="Edges" data-testid="graph-detail">
      <h4 class="sw-title">
        {arc ? arcName(arc, names) : spotName(spot, names)} <span class="sw-note">{listed.length === 0 ? "no edge enters it" : more > 0 ? `${listed.length} heaviest of ${choice.listed.length} edges` : ""}</span>
      </h4>
      <ul>
        {listed.map((edge) => {
          const kept = edge < size.nEdges;
          const opens = edges.part[edge] < heads || edges.part[edge] === heads + 1;
          const name = edgeLine(edges, edge, viewState, names);
          return (
            <li key={edge} class={kept ? "sw-edge sw-edge-kept" : "sw-edge"} title={`weight ${formatSize(edges.weight[edge])}, rank ${edge}, ${kept ? "in the trace" : "not in the trace"}`}>
              {opens ? (
                <button type="button" class="sw-edge-name sw-graph-open" data-testid="graph-edge" onClick={() => choice.open(edge)}>
                  {name}
                </button>
              ) : (
                <span class="sw-edge-name">{name}</span>
              )}
              <span class="sw-edge-track">
                <i style={{ width: `${(100 * edges.weight[edge]) / heaviest}%` }} />
              </span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
