// What each head and MLP does: how the prediction changes once it alone is switched off, and how that compares with its share.
import { decodeArray } from "../protocol/decode";
import type { EffectMap, ViewState } from "../protocol/types";
import type { Component } from "./toggles";
import type { Trace } from "./trace";

/** Numbers are [L, H + 1]: of each layer the heads, then the MLP. */
export interface Effects {
  answer: string;
  rival: string;
  known: Uint8Array;
  totalVariation: Float32Array;
  logitChange: Float32Array;
  /** How many are known. */
  count: number;
}

export function decodeEffects(map: EffectMap | null): Effects | null {
  if (!map) return null;
  const known = decodeArray(map.known) as Uint8Array;
  return {
    answer: map.answer,
    rival: map.rival,
    known,
    totalVariation: decodeArray(map.total_variation) as Float32Array,
    logitChange: decodeArray(map.logit_change) as Float32Array,
    count: known.reduce((sum, one) => sum + one, 0),
  };
}

/** Where the numbers of a component are. */
export const nodeIndex = ({ layer, head }: Component, heads: number): number => layer * (heads + 1) + (head === "mlp" ? heads : head);

export const componentOf = (index: number, heads: number): Component => {
  const part = index % (heads + 1);
  return { layer: Math.floor(index / (heads + 1)), head: part === heads ? "mlp" : part };
};

/** The share of edges of each that the trace has, [L, H + 1]. */
export function nodeShares({ arrays, n_layers, n_heads }: ViewState, trace: Trace): Float32Array {
  const shares = new Float32Array(n_layers * (n_heads + 1));
  let place = 0;
  for (let layer = 0; layer < n_layers; layer += 1) {
    const [ofHead, ofMlp] = [arrays.head_total[layer], arrays.mlp_total[layer]];
    for (let head = 0; head < n_heads; head += 1) shares[place++] = ofHead > 0 ? trace.headEdges[layer * n_heads + head] / ofHead : 0;
    shares[place++] = ofMlp > 0 ? trace.mlpEdges[layer] / ofMlp : 0;
  }
  return shares;
}

/** Total variation from which a part is vital, and up to which it is idle. */
export const vitalFrom = 0.1;
export const idleTo = 0.01;

export type Mark = "vital" | "idle" | null;

export const markNames = { vital: "small but vital", idle: "kept but idle" } as const;

/** Small: less of it is kept than of all edges, s. Kept: more. */
export function markOf(share: number, totalVariation: number, size: number): Mark {
  if (share < size && totalVariation >= vitalFrom) return "vital";
  return share > size && totalVariation <= idleTo ? "idle" : null;
}

export const nodeMarks = (shares: Float32Array, effects: Effects | null, size: number): Mark[] =>
  Array.from(shares, (share, index) => (effects ? markOf(share, effects.totalVariation[index], size) : null));
