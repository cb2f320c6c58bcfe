import { nodeIndex } from "../logic/effects";
import { shadeAt, type Theme } from "../logic/scales";
import type { Shading } from "../logic/shading";
import { parseKey, type ToggleState } from "../logic/toggles";
import { nodeLabel, type Node } from "../logic/trace";

interface Props {
  layer: number;
  nodes: Node[];
  state: ToggleState | "mixed";
  theme: Theme;
  shading: Shading;
  live: boolean;
  onToggleNode(key: string): void;
  onToggleLayer(state: ToggleState): void;
}

const states: ToggleState[] = ["auto", "off", "on"];

/** A layer opened into its nodes: large cells with names and counts, and toggles for the whole layer. */
export function OpenLayer({ layer, nodes, state, theme, shading, live, onToggleNode, onToggleLayer }: Props) {
  const placeOf = ({ key }: Node) => nodeIndex(parseKey(key), nodes.length - 1);
  return (
    <div role="row" class="sw-open" data-testid="open-layer">
      <div role="gridcell">
        <div class="sw-open-toggle" role="group" aria-label={`All of layer ${layer}`}>
          <span>All of layer {layer}</span>
          {states.map((choice) => (
            <button key={choice} type="button" aria-pressed={state === choice} disabled={!live} onClick={() => onToggleLayer(choice)}>
              {choice}
            </button>
          ))}
        </div>
        <div class="sw-open-nodes">
          {nodes.map((node) => (
            <button
              key={node.key}
              type="button"
              class="sw-node"
              data-node={node.key}
              data-state={node.state}
              title={[nodeLabel(node), shading.describe(placeOf(node))].filter(Boolean).join(", ")}
              aria-disabled={!live || undefined}
              onClick={() => onToggleNode(node.key)}
            >
              <i class="sw-swatch" data-state={node.state} style={{ backgroundColor: shadeAt(theme, shading.shades[placeOf(node)]) }} />
              <span>{nodeName(node.key)}</span>
              <b>{nodeFigure(node, shading, placeOf(node))}</b>
            </button>
          ))}
        </div>
      </div>
    </div>
  );
}

function nodeName(key: string): string {
  const { head } = parseKey(key);
  return head === "mlp" ? "MLP" : `head ${head}`;
}

/** What is shaded, in a figure; a toggle before all. */
function nodeFigure({ state, count, total }: Node, { shade, figure }: Shading, index: number): string {
  if (state !== "auto") return state;
  return shade === "share" ? `${count}/${total}` : figure(index);
}
