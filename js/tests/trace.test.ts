import { describe, expect, it } from "vitest";
import { isKept, layerNodes, layerShares, nodeAt, nodeShare, stripCells, strongestEdges, strongestHead, tokenShares, traceAt } from "../src/logic/trace";
import { decodeBundle, type Bundle } from "../src/protocol/state";
import { makeState, small } from "./fixture";

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

it("reads the strip at its own levels, between which it has fewer than the other numbers", () => {
  const [first, last] = [bundle.arrays.level_n_edges[0], bundle.n_edges];
  const cells = bundle.n_layers * bundle.n_tokens;
  const shares = bundle.arrays.strip_shares;
  const ends = new Uint8Array([...shares.slice(0, cells), ...shares.slice(-cells)]);
  const few = { ...bundle, arrays: { ...bundle.arrays, strip_n_edges: Int32Array.of(first, last), strip_shares: ends } };
  expect(traceAt(few, last).strip).toEqual(all.strip);
  const half = traceAt(few, Math.round(Math.sqrt(first * last)));
  expect(half.strip[0]).toBeGreaterThan(ends[0]);
  expect(half.strip[0]).toBeLessThan(ends[cells]);
  expect(half.headEdges).toEqual(traceAt(bundle, half.nEdges).headEdges);
});

it("folds tokens into cells, and keeps each token's own share", () => {
  const folded = decodeBundle(makeState({ ...small, tokensPerCell: 2 }).bundle) as Bundle;
  expect(stripCells(folded)).toBe(2);
  expect(traceAt(folded, folded.n_edges).strip).toHaveLength(6);
  const third = Math.round(bundle.n_edges / 3);
  expect(tokenShares(folded, traceAt(folded, third))).toEqual(tokenShares(bundle, traceAt(bundle, third)));
});

describe("a node", () => {
  it("shows its strongest edges, kept as the trace has them", () => {
    const edges = strongestEdges(bundle, "1.0");
    const node = nodeAt(bundle, all, {}, { layer: 1, head: 0 });
    expect(edges).not.toHaveLength(0);
    expect(edges.every((edge) => edge.source >= 0 && edge.source <= edge.target && isKept(node, edge, bundle.n_edges))).toBe(true);
  });

  it("shows them as its switch has them", () => {
    const kept = (toggles: Record<string, "on" | "off">, nEdges: number) =>
      new Set(strongestEdges(bundle, "1.mlp").map((edge) => isKept(nodeAt(bundle, all, toggles, { layer: 1, head: "mlp" }), edge, nEdges)));
    expect(kept({ "1.mlp": "off" }, bundle.n_edges)).toEqual(new Set([false]));
    expect(kept({ "1.mlp": "on" }, 1)).toEqual(new Set([true]));
  });

  it("leaves out MLP edges that are not in the graph", () => {
    expect(strongestEdges(bundle, "2.mlp").map((edge) => edge.target)).toEqual([2]);
  });
});

it("finds the head with the strongest edge", () => {
  const heaviest = (key: string) => strongestEdges(bundle, key)[0].weight;
  const { layer, head } = strongestHead(bundle);
  expect(heaviest(`${layer}.${head}`)).toBe(Math.max(...[0, 1, 2].flatMap((each) => [heaviest(`${each}.0`), heaviest(`${each}.1`)])));
});
