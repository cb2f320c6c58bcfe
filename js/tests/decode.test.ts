import { describe, expect, it } from "vitest";
import { read, topToken } from "../src/logic/reading";
import { traceAt } from "../src/logic/trace";
import { decodeArray, decodeViewState } from "../src/protocol/decode";
import type { Arrays, ViewState } from "../src/protocol/types";
import { encode, makeState } from "./fixture";
import { present } from "./written";

describe("decodeArray", () => {
  it("reads a view that starts at an odd offset", () => {
    expect([...decodeArray(encode("int32", [1, -2, 2147483647]))]).toEqual([1, -2, 2147483647]);
    expect([...decodeArray(encode("float32", [0.5, -1.25]))]).toEqual([0.5, -1.25]);
  });

  it("reads base64 text, bytes and a buffer", () => {
    const values = Float32Array.of(0.25, 3);
    const bytes = new Uint8Array(values.buffer);
    const text = btoa(String.fromCharCode(...bytes));
    for (const data of [text, bytes, values.buffer]) {
      expect([...decodeArray({ dtype: "float32", shape: [2], data })]).toEqual([0.25, 3]);
    }
  });
});

describe("decodeViewState", () => {
  it("keeps everything but the encoding", () => {
    const { view_state: viewState } = makeState();
    const decoded = decodeViewState(viewState);
    expect(decoded?.tokens).toEqual(viewState?.tokens);
    expect(decoded?.arrays.level_n_edges.at(-1)).toBe(viewState?.n_edges);
  });

  it("is null while there is nothing", () => {
    expect(decodeViewState(null)).toBeNull();
    expect(decodeViewState({} as never)).toBeNull();
  });
});

describe("a state that Python wrote", () => {
  const { saved, figures } = present;
  const decoded = decodeViewState(saved.view_state) as ViewState;

  it("has the arrays that Python put into it, by name, kind and order", () => {
    expect(Object.keys(decoded.arrays).sort()).toEqual(Object.keys(figures.arrays).sort());
    for (const [name, { kind, values }] of Object.entries<{ kind: string; values: number[] }>(figures.arrays)) {
      const array = decoded.arrays[name as keyof Required<Arrays>]!;
      expect([name, array.constructor.name]).toEqual([name, kind]);
      expect([name, [...array]]).toEqual([name, values]);
    }
  });

  it("is read as Python evaluates it", () => {
    for (const { n_edges, ...prediction } of figures.levels) {
      const reading = read(decoded, n_edges, {}, null);
      expect(reading.state).toBe("exact");
      expect({ nucleus: reading.nucleus, top1: reading.top1, probability: Math.fround(topToken(reading).probability) }).toEqual({
        ...prediction,
        probability: Math.fround(prediction.probability),
      });
    }
    expect(read(decoded, saved.n_edges, saved.toggles, saved.evaluation)).toMatchObject({ state: "exact", ...figures.evaluation });
  });

  it("counts the edges that Python counts", () => {
    const trace = traceAt(decoded, figures.trace.n_edges);
    expect([...trace.headEdges]).toEqual(figures.trace.head_edges);
    expect([...trace.mlpEdges]).toEqual(figures.trace.mlp_edges);
  });
});
