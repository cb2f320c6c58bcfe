// What the cells of heads and MLPs are shaded by: for each a shade and words, and for all of them a legend.
import type { Shade, ViewState } from "../protocol/types";
import { componentOf, nodeShares, type Effects } from "./effects";
import { amountIndex, formatCount, formatDistance, formatShare, formatSigned, formatSize, shadeIndex, signedIndex, unknownShade } from "./scales";
import { visibleToken } from "./tokenText";
import type { Trace } from "./trace";

export interface Shading {
  shade: Shade;
  /** Of each component, in the order of the arrays [L, H + 1]. */
  shades: Uint8Array;
  /** "TV 0.665 when off". */
  describe(index: number): string;
  /** The same for a table's cell: "0.665". */
  figure(index: number): string;
  legend: { from: string; to: string; signed: boolean; unit: string };
}

export const shadeNames: Record<Shade, string> = {
  share: "share of its edges in the trace",
  effect: "effect when off: total variation",
  logit: "effect when off: change of logit",
  weight: "weight into the explained token",
  entry: "first size at which it enters",
};

/** Which of them a state has the numbers for; a kernel can compute effects. */
export function isKnown(shade: Shade, { arrays }: ViewState, effects: Effects | null, live: boolean): boolean {
  if (shade === "effect" || shade === "logit") return live || effects !== null;
  // Files of before have neither.
  if (shade === "weight") return arrays.weight_into_last !== undefined;
  return shade === "share" || arrays.entry_n_edges !== undefined;
}

export const needsEffects = (shade: Shade): boolean => shade === "effect" || shade === "logit";

/** The shading of a state; without its numbers, by the share of edges. */
export function shadingOf(shade: Shade, viewState: ViewState, trace: Trace, effects: Effects | null): Shading {
  if (shade === "effect" && effects) return byEffect(effects, viewState);
  if (shade === "logit" && effects) return byLogit(effects, viewState);
  if (needsEffects(shade)) return nothingYet(shade, viewState);
  const { weight_into_last: weights, entry_n_edges: entries } = viewState.arrays;
  if (shade === "weight" && weights) return byWeight(weights, viewState);
  if (shade === "entry" && entries) return byEntry(entries, viewState);
  const shares = nodeShares(viewState, trace);
  return {
    shade: "share",
    shades: Uint8Array.from(shares, shadeIndex),
    describe: () => "", // every label has the number of edges
    figure: (index) => formatShare(shares[index]),
    legend: { from: "none", to: "all", signed: false, unit: "in the trace" },
  };
}

/** The largest of the heads: an MLP may lie far above them, and would leave them all pale. */
function largestOfHeads(values: Float32Array, { n_heads }: ViewState, least: number): number {
  let largest = least;
  values.forEach((value, index) => {
    if (componentOf(index, n_heads).head !== "mlp" && Math.abs(value) > largest) largest = Math.abs(value);
  });
  return largest;
}

/** How one that has no value is said: it was not run yet, or it overflows. */
const without = (effects: Effects, index: number): string => (effects.known[index] ? "overflows when off" : "not switched off yet");

function byEffect(effects: Effects, viewState: ViewState): Shading {
  const { totalVariation: values } = effects;
  const largest = largestOfHeads(values, viewState, 0.05);
  return {
    shade: "effect",
    shades: Uint8Array.from(values, (value) => (Number.isNaN(value) ? unknownShade : amountIndex(value / largest))),
    describe: (index) => (Number.isNaN(values[index]) ? without(effects, index) : `TV ${formatDistance(values[index])} when off`),
    figure: (index) => (Number.isNaN(values[index]) ? "–" : formatDistance(values[index])),
    legend: { from: "0", to: `${formatDistance(largest)} or more`, signed: false, unit: "TV when off" },
  };
}

function byLogit(effects: Effects, viewState: ViewState): Shading {
  const { logitChange: values } = effects;
  const finite = values.map((value) => (Number.isFinite(value) ? value : 0));
  const largest = largestOfHeads(finite, viewState, 0.05);
  return {
    shade: "logit",
    shades: Uint8Array.from(values, (value) => (Number.isNaN(value) ? unknownShade : signedIndex(value / largest))),
    describe: (index) => (Number.isNaN(values[index]) ? without(effects, index) : `logit ${formatSigned(values[index])} when off`),
    figure: (index) => (Number.isNaN(values[index]) ? "–" : formatSigned(values[index])),
    legend: {
      from: formatSigned(-largest),
      to: formatSigned(largest),
      signed: true,
      unit: `logit of ${visibleToken(effects.answer)} over ${visibleToken(effects.rival)} when off`,
    },
  };
}

function nothingYet(shade: Shade, { n_layers, n_heads }: ViewState): Shading {
  return {
    shade,
    shades: new Uint8Array(n_layers * (n_heads + 1)).fill(unknownShade),
    describe: () => "not switched off yet",
    figure: () => "–",
    legend: { from: "0", to: "", signed: shade === "logit", unit: shade === "logit" ? "logit when off" : "TV when off" },
  };
}

function byWeight(values: Float32Array, viewState: ViewState): Shading {
  const largest = largestOfHeads(values, viewState, Number.MIN_VALUE);
  const token = visibleToken(viewState.tokens[viewState.n_tokens - 1]);
  return {
    shade: "weight",
    shades: Uint8Array.from(values, (value) => amountIndex(value / largest)),
    describe: (index) => `weight ${formatSize(values[index])} into ${token}`,
    figure: (index) => formatSize(values[index]),
    legend: { from: "0", to: `${formatSize(largest)} or more`, signed: false, unit: `weight into ${token}` },
  };
}

function byEntry(values: Int32Array, { n_edges: all }: ViewState): Shading {
  const text = (index: number) => `s = ${formatSize(values[index] / all)}`;
  return {
    shade: "entry",
    shades: Uint8Array.from(values, (first) => amountIndex(1 - Math.log(first) / Math.log(Math.max(2, all)))),
    describe: (index) => `enters at ${text(index)}, ${formatCount(values[index])} ${values[index] === 1 ? "edge" : "edges"}`,
    figure: text,
    legend: { from: "at all edges", to: "at 1 edge", signed: false, unit: "enters (log scale)" },
  };
}
