import { formatCount, formatSize, visibleToken } from "../scales";
import type { Bundle } from "../state";
import { componentName, parseKey } from "../toggles";
import { strongestEdges, type Node } from "../trace";

interface Props {
  bundle: Bundle;
  node: Node;
  nEdges: number;
}

/** The strongest edges of the node under the pointer or the focus. */
export function NodeDetail({ bundle, node, nEdges }: Props) {
  const edges = strongestEdges(bundle, node, nEdges);
  const heaviest = Math.max(...edges.map((edge) => edge.weight), Number.MIN_VALUE);
  const isMlp = parseKey(node.key).head === "mlp";
  const visible = (token: number) => <bdi>{visibleToken(bundle.tokens[token])}</bdi>;
  return (
    <section class="sw-detail" aria-label="Node" data-testid="node-detail" data-node-key={node.key}>
      <h3 class="sw-title">
        {componentName(node.key)} <span class="sw-note">
          {describeNode(node)}
          {edges.length < node.total && ` · ${edges.length} shown`}
        </span>
      </h3>
      <ul data-state={node.state}>
        {edges.map((edge, index) => (
          <li key={index} class={edge.kept ? "sw-edge sw-edge-kept" : "sw-edge"} title={`weight ${formatSize(edge.weight)}, ${edge.kept ? "kept" : "not kept"}`}>
            <span class="sw-edge-name">
              {visible(edge.source)}
              {edge.source !== edge.target ? <> → {visible(edge.target)}</> : !isMlp && " → itself"}
            </span>
            <span class="sw-edge-track">
              <i style={{ width: `${(100 * edge.weight) / heaviest}%` }} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function describeNode({ state, count, total }: Node): string {
  const ofAll = `${formatCount(count)} of ${formatCount(total)} edges`;
  if (state === "off") return `off · its ${ofAll} taken out`;
  if (state === "on") return `on · all put in, ${ofAll} in the trace`;
  return `auto · ${ofAll} in the trace`;
}
