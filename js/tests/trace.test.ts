import { describe, expect, it } from "vitest";
import { decodeBundle, type Bundle } from "../src/state";
import { layerNodes, layerShares, nodeAt, nodeShare, strongestEdges, strongestHead, tokenShares, traceAt } from "../src/trace";
import { makeState } from "./fixture";

const bundle = decodeBundle(makeState().bundle) as Bundle;
const all = traceAt(bundle, bundle.n_edges);

describe("the whole graph", () => {
  it("has every edge of every node, layer and token", () => {
    const nodes = [0, 1, 2].flatMap((layer) => layerNodes(bundle, all, {}, layer));
    expect(nodes.map(nodeShare)).toEqual(nodes.map(() => 1));
    expect(layerShares(bundle, all)).toEqual([1, 1, 1]);
    expect(tokenShares(bundle, all)).toEqual([1, 1, 1]);
  });
});

describe("a node", () => {
  it("shows its strongest edges, kept as the trace has them", () => {
    const edges = strongestEdges(bundle, nodeAt(bundle, all, {}, { layer: 1, head: 0 }), bundle.n_edges);
    expect(edges).not.toHaveLength(0);
    expect(edges.every(({ source, target, kept }) => source >= 0 && source <= target && kept)).toBe(true);
  });

  it("shows them as its switch has them", () => {
    const kept = (toggles: Record<string, "on" | "off">, nEdges: number) =>
      new Set(strongestEdges(bundle, nodeAt(bundle, all, toggles, { layer: 1, head: "mlp" }), nEdges).map((edge) => edge.kept));
    expect(kept({ "1.mlp": "off" }, bundle.n_edges)).toEqual(new Set([false]));
    expect(kept({ "1.mlp": "on" }, 1)).toEqual(new Set([true]));
  });

  it("leaves out MLP edges that are not in the graph", () => {
    expect(strongestEdges(bundle, nodeAt(bundle, all, {}, { layer: 2, head: "mlp" }), bundle.n_edges).map((edge) => edge.target)).toEqual([2]);
  });
});

it("finds the head with the strongest edge", () => {
  const weights = bundle.arrays.strongest_weight;
  const { layer, head } = strongestHead(bundle);
  expect(weights[(layer * 2 + Number(head)) * 8]).toBe(Math.max(...weights));
});
