import { useMemo } from "preact/hooks";
import { useDetails } from "../hooks/useDetails";
import { nodeIndex, type Effects } from "../logic/effects";
import { leading } from "../logic/levels";
import { formatCount, formatDistance, formatShare, formatSigned, formatSize } from "../logic/scales";
import { placedNames, visibleToken } from "../logic/tokenText";
import { componentName, parseKey } from "../logic/toggles";
import { isKept, strongestEdges, type Node } from "../logic/trace";
import { NodeInside } from "./Inside";
import { NodeGroups } from "./NodeGroups";
import type { ViewProps } from "./props";

interface Props extends ViewProps {
  node: Node;
}

const namedSources = 4;

/** The node under the pointer or the focus: where its weight comes from, and its strongest edges. */
export function NodeDetail({ node, ...props }: Props) {
  const { model, viewState, shown } = props;
  const { live, size, effects, naming } = shown;
  const { known, error } = useDetails(model, viewState, node.key, live);
  const edges = known?.edges ?? strongestEdges(viewState, node.key);
  const heaviest = Math.max(...edges.map((edge) => edge.weight), Number.MIN_VALUE);
  const isMlp = parseKey(node.key).head === "mlp";
  const names = useMemo(() => placedNames(viewState.tokens), [viewState]);
  const visible = (token: number) => <bdi>{names[token]}</bdi>;
  return (
    <section role="group" class="sw-detail" aria-label="Node" data-testid="node-detail" data-node-key={node.key} data-detailed={known !== null}>
      <h3 class="sw-title">
        {componentName(node.key)} <span class="sw-note">
          {describeNode(node)}
          {edges.length < node.total && ` · ${edges.length} strongest of ${formatCount(node.total)}`}
        </span>
      </h3>
      {effects && <p class="sw-note sw-node-effect" data-testid="node-effect">{describeEffect(effects, nodeIndex(parseKey(node.key), viewState.n_heads))}</p>}
      {error && <p class="sw-loss" role="status" data-testid="node-error">Its details are missing: {error}</p>}
      <NodeGroups naming={naming} member={node.key} />
      {live && <Sources names={names} shares={known?.shares ?? null} />}
      <div class="sw-edges" tabIndex={0} role="group" aria-label={`Strongest edges of ${componentName(node.key)}`}>
        <ul data-state={node.state}>
          {edges.map((edge, index) => {
            const kept = isKept(node, edge, size.nEdges);
            return (
              <li key={index} class={kept ? "sw-edge sw-edge-kept" : "sw-edge"} title={`weight ${formatSize(edge.weight)}, ${kept ? "kept" : "not kept"}`}>
                <span class="sw-edge-name">
                  {visible(edge.source)}
                  {edge.source !== edge.target ? <> → {visible(edge.target)}</> : !isMlp && " → itself"}
                </span>
                <span class="sw-edge-track">
                  <i style={{ width: `${(100 * edge.weight) / heaviest}%` }} />
                </span>
              </li>
            );
          })}
        </ul>
      </div>
      <NodeInside {...props} node={node} />
    </section>
  );
}

/** Each token's share of the node's weight, as a profile along the prompt, and the largest in words; its room is kept free. */
function Sources({ names, shares }: { names: string[]; shares: number[] | null }) {
  const picture = useMemo(() => {
    if (!shares) return null;
    const largest = Math.max(...shares, Number.MIN_VALUE);
    const bars = shares.map((share, token) => `M${token + 0.06} 1V${1 - share / largest}h.88V1z`).join("");
    const named = leading(Float32Array.from(shares), namedSources).filter((token) => shares[token] > 0);
    return { bars, named };
  }, [shares]);
  return (
    <div class="sw-sources" data-testid="node-sources">
      {picture && shares && (
        <>
          <svg viewBox={`0 0 ${shares.length} 1`} preserveAspectRatio="none" aria-hidden="true">
            <path d={picture.bars} />
          </svg>
          <p class="sw-note">
            its weight comes from{" "}
            {picture.named.map((token) => (
              <span key={token}>
                <bdi>{names[token]}</bdi> <b>{formatShare(shares[token])}</b>
              </span>
            ))}
          </p>
        </>
      )}
    </div>
  );
}

/** What the whole model loses without it. */
function describeEffect({ answer, rival, known, totalVariation, logitChange }: Effects, index: number) {
  if (!known[index]) return "not switched off yet";
  if (Number.isNaN(totalVariation[index])) return "off: the whole model overflows";
  return (
    <>
      off in the whole model: TV <b>{formatDistance(totalVariation[index])}</b> · logit of <bdi>{visibleToken(answer)}</bdi> over <bdi>{visibleToken(rival)}</bdi>{" "}
      <b>{formatSigned(logitChange[index])}</b>
    </>
  );
}

function describeNode({ state, count, total }: Node): string {
  const ofAll = `${formatCount(count)} of ${formatCount(total)} edges`;
  if (state === "off") return `off · its ${ofAll} taken out`;
  if (state === "on") return `on · all put in, ${ofAll} in the trace`;
  return `auto · ${ofAll} in the trace`;
}
