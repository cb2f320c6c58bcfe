import { shade, type Theme } from "../logic/scales";
import { parseKey, type ToggleState } from "../logic/toggles";
import { nodeLabel, nodeShare, type Node } from "../logic/trace";

interface Props {
  layer: number;
  nodes: Node[];
  state: ToggleState | "mixed";
  theme: Theme;
  live: boolean;
  onToggleNode(key: string): void;
  onToggleLayer(state: ToggleState): void;
}

const states: ToggleState[] = ["auto", "off", "on"];

/** A layer opened into its nodes: large cells with names and counts, and toggles for the whole layer. */
export function OpenLayer({ layer, nodes, state, theme, live, onToggleNode, onToggleLayer }: Props) {
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
              title={nodeLabel(node)}
              aria-disabled={!live || undefined}
              onClick={() => onToggleNode(node.key)}
            >
              <i class="sw-swatch" data-state={node.state} style={{ backgroundColor: shade(theme, nodeShare(node)) }} />
              <span>{nodeName(node.key)}</span>
              <b>{node.state === "auto" ? `${node.count}/${node.total}` : node.state}</b>
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
