// From the bytes of a view state to numbers.
import type { Arrays, EncodedArray, EncodedViewState, ViewState } from "./types";

const arrayTypes = { int32: Int32Array, float32: Float32Array, uint8: Uint8Array };

/** The numbers of one encoded array. Bytes are copied: a view over a comm message rarely starts at a multiple of four. */
export function decodeArray({ dtype, data }: EncodedArray): Int32Array | Float32Array | Uint8Array {
  if (typeof data === "string") {
    return new arrayTypes[dtype](Uint8Array.from(atob(data), (character) => character.charCodeAt(0)).buffer);
  }
  if (data instanceof ArrayBuffer) return new arrayTypes[dtype](data.slice(0));
  return new arrayTypes[dtype](data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer);
}

/** A view state with typed arrays, or null while Python has sent none. */
export function decodeViewState(encoded: EncodedViewState | null): ViewState | null {
  if (!encoded?.arrays) return null;
  const decoded = Object.entries(encoded.arrays).map(([name, array]) => [name, decodeArray(array)]);
  const arrays = Object.fromEntries(decoded) as Arrays;
  const noGraph = { graph_part: new Int32Array(), graph_link: new Int32Array(), graph_weight: new Float32Array() };
  return { ...encoded, arrays: { ...noGraph, ...arrays, count_n_edges: arrays.count_n_edges ?? arrays.level_n_edges } };
}
