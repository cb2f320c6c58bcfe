// Nodes and edges of the graph in words.
import type { ViewState } from "../protocol/types";
import type { Arc, GraphEdges, Spot } from "./graph";

/** "head 4", "MLP", "residual past the heads"; a parallel block has one residual edge a token. */
export function edgeName(part: number, { n_heads: heads, parallel }: ViewState): string {
  if (part < heads) return `head ${part}`;
  return ["residual" + (parallel ? "" : " past the heads"), "MLP", "residual past the MLP"][part - heads];
}

/** "“ France” after layer 12" or "the embedding of “ France”". */
export const spotName = ({ layer, token }: Spot, names: readonly string[]): string => (layer < 0 ? `the embedding of “${names[token]}”` : `“${names[token]}” after layer ${layer}`);

export const arcName = ({ layer, source, target }: Pick<Arc, "layer" | "source" | "target">, names: readonly string[]): string =>
  source === target ? `“${names[target]}” itself, layer ${layer}` : `“${names[source]}” → “${names[target]}”, layer ${layer}`;

/** An edge by its own: "head 4 from “ France”". */
export function edgeLine(edges: GraphEdges, edge: number, viewState: ViewState, names: readonly string[]): string {
  const [part, source, target] = [edges.part[edge], edges.source[edge], edges.target[edge]];
  const from = part < viewState.n_heads ? (source === target ? " from itself" : ` from “${names[source]}”`) : "";
  return edgeName(part, viewState) + from;
}
