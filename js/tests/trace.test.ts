import { describe, expect, it } from "vitest";
import { isKept, layerNodes, layerShares, nodeAt, nodeShare, stripCells, strongestEdges, strongestHead, tokenShares, traceAt } from "../src/logic/trace";
import { decodeViewState } from "../src/protocol/decode";
import type { ViewState } from "../src/protocol/types";
import { makeState, small } from "./fixture";

const viewState = decodeViewState(makeState().view_state) as ViewState;
const all = traceAt(viewState, viewState.n_edges);

describe("the whole graph", () => {
  it("has every edge of every node, layer and token", () => {
    const nodes = [0, 1, 2].flatMap((layer) => layerNodes(viewState, all, {}, layer));
    expect(nodes.map(nodeShare)).toEqual(nodes.map(() => 1));
    expect(layerShares(viewState, all)).toEqual([1, 1, 1]);
    expect(tokenShares(viewState, all)).toEqual([1, 1, 1]);
  });
});

it("reads the strip at its own levels, between which it has fewer than the other numbers", () => {
  const [first, last] = [viewState.arrays.level_n_edges[0], viewState.n_edges];
  const cells = viewState.n_layers * viewState.n_tokens;
  const shares = viewState.arrays.strip_shares;
  const ends = new Uint8Array([...shares.slice(0, cells), ...shares.slice(-cells)]);
  const few = { ...viewState, arrays: { ...viewState.arrays, strip_n_edges: Int32Array.of(first, last), strip_shares: ends } };
  expect(traceAt(few, last).strip).toEqual(all.strip);
  const half = traceAt(few, Math.round(Math.sqrt(first * last)));
  expect(half.strip[0]).toBeGreaterThan(ends[0]);
  expect(half.strip[0]).toBeLessThan(ends[cells]);
  expect(half.headEdges).toEqual(traceAt(viewState, half.nEdges).headEdges);
});

it("folds tokens into cells, and keeps each token's own share", () => {
  const folded = decodeViewState(makeState({ ...small, tokensPerCell: 2 }).view_state) as ViewState;
  expect(stripCells(folded)).toBe(2);
  expect(traceAt(folded, folded.n_edges).strip).toHaveLength(6);
  const third = Math.round(viewState.n_edges / 3);
  expect(tokenShares(folded, traceAt(folded, third))).toEqual(tokenShares(viewState, traceAt(viewState, third)));
});

describe("a node", () => {
  it("shows its strongest edges, kept as the trace has them", () => {
    const edges = strongestEdges(viewState, "1.0");
    const node = nodeAt(viewState, all, {}, { layer: 1, head: 0 });
    expect(edges).not.toHaveLength(0);
    expect(edges.every((edge) => edge.source >= 0 && edge.source <= edge.target && isKept(node, edge, viewState.n_edges))).toBe(true);
  });

  it("shows them as its toggle has them", () => {
    const kept = (toggles: Record<string, "on" | "off">, nEdges: number) =>
      new Set(strongestEdges(viewState, "1.mlp").map((edge) => isKept(nodeAt(viewState, all, toggles, { layer: 1, head: "mlp" }), edge, nEdges)));
    expect(kept({ "1.mlp": "off" }, viewState.n_edges)).toEqual(new Set([false]));
    expect(kept({ "1.mlp": "on" }, 1)).toEqual(new Set([true]));
  });

  it("leaves out MLP edges that are not in the graph", () => {
    expect(strongestEdges(viewState, "2.mlp").map((edge) => edge.target)).toEqual([2]);
  });
});

it("finds the head with the strongest edge", () => {
  const heaviest = (key: string) => strongestEdges(viewState, key)[0].weight;
  const { layer, head } = strongestHead(viewState);
  expect(heaviest(`${layer}.${head}`)).toBe(Math.max(...[0, 1, 2].flatMap((each) => [heaviest(`${each}.0`), heaviest(`${each}.1`)])));
});
