import { shade, type Theme } from "../logic/scales";
import { parseKey, type SwitchState } from "../logic/toggles";
import { nodeLabel, nodeShare, type Node } from "../logic/trace";

interface Props {
  layer: number;
  nodes: Node[];
  state: SwitchState | "mixed";
  theme: Theme;
  live: boolean;
  onSwitchNode(key: string): void;
  onSwitchLayer(state: SwitchState): void;
}

const states: SwitchState[] = ["auto", "off", "on"];

/** A layer opened into its nodes: large cells with names and counts, and switches for the whole layer. */
export function OpenLayer({ layer, nodes, state, theme, live, onSwitchNode, onSwitchLayer }: Props) {
  return (
    <div role="row" class="sw-open" data-testid="open-layer">
      <div role="gridcell">
        <div class="sw-open-switch" role="group" aria-label={`All of layer ${layer}`}>
          <span>All of layer {layer}</span>
          {states.map((choice) => (
            <button key={choice} type="button" aria-pressed={state === choice} disabled={!live} onClick={() => onSwitchLayer(choice)}>
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
              onClick={() => onSwitchNode(node.key)}
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
