import { describe, expect, it } from "vitest";
import { decodeArray, decodeBundle } from "../src/protocol/state";
import { encode, makeState } from "./fixture";

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

describe("decodeBundle", () => {
  it("keeps everything but the encoding", () => {
    const { bundle } = makeState();
    const decoded = decodeBundle(bundle);
    expect(decoded?.tokens).toEqual(bundle?.tokens);
    expect(decoded?.arrays.level_n_edges.at(-1)).toBe(bundle?.n_edges);
  });

  it("is null while there is nothing", () => {
    expect(decodeBundle(null)).toBeNull();
    expect(decodeBundle({} as never)).toBeNull();
  });
});
