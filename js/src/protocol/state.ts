// The state that Python and the browser share: docs/explorer-state.md as types, and its arrays made ready for reading.
import type { AnyModel } from "@anywidget/types";

export type Forced = "on" | "off";
/** Forced components, by key: "21.4" is a head, "18.mlp" an MLP. A component that is absent is *auto*. */
export type Toggles = Readonly<Record<string, Forced>>;

export interface HeadToken {
  id: number;
  token: string;
  probability: number;
  full_probability: number;
}

export interface Evaluation {
  n_edges: number;
  toggles: Toggles;
  edges_kept: number;
  total_variation: number;
  kl: number;
  entropy: number;
  top1: boolean;
  nucleus: number;
  head: HeadToken[];
}

export interface Status {
  state: "ready" | "running" | "error";
  message: string;
  /** From 0 to 1 while a trace is computed anew. */
  progress: number;
  /** Which request the message is about. */
  kind?: "evaluate" | "trace" | "compare";
  /** Where a server failed: all that it said, if anything. Asking again may then help. */
  detail?: string;
  /** While a job on a server is waited for. */
  job?: Job;
}

export interface Job {
  stage: string;
  /** When this stage began, in seconds since 1970. */
  since: number;
  /** The server's words. */
  description: string;
}

/** What a person can switch to. */
export interface Choices {
  importance: string[];
  masks: string[];
}

/** Another error curve on the same axes. */
export interface Curve {
  name: string;
  kind: "measure" | "baseline";
  n_edges: number[];
  total_variation: number[];
  /** From here on the top token is the full model's; files from before this was known have none. */
  lasting_top1?: number | null;
}

/** What a trace was computed from; `position` is the index of the explained token in the whole prompt. */
export interface Settings {
  prompt: string;
  importance: string;
  masks: string;
  position: number;
}

export interface Step {
  settings: Settings;
  n_edges: number;
  toggles: Toggles;
}

/** A subgraph whose exact result was seen. */
export interface Tried extends Step {
  name: string;
  edges_kept: number;
  total_variation: number;
  top: string;
  probability: number;
  head: HeadToken[];
}

export interface History {
  version: 1;
  steps: Step[];
  at: number;
  /** The newest first. */
  tried: Tried[];
}

export interface Landmark {
  key: "top1" | "top5" | "tv" | "nucleus60";
  n_edges: number;
}

/** The arrays of a bundle; K levels, J of them for the strip, V vocabulary tokens, L layers, H heads, T tokens, S strongest edges. */
export interface Arrays {
  level_n_edges: Int32Array; // [K]
  total_variation: Float32Array; // [K]
  kl: Float32Array; // [K]
  entropy: Float32Array; // [K]
  top1: Uint8Array; // [K]
  nucleus: Float32Array; // [K]
  probabilities: Float32Array; // [K, V]
  full_probabilities: Float32Array; // [V]
  head_edges: Int32Array; // [K, L, H]
  mlp_edges: Int32Array; // [K, L]
  layer_edges: Int32Array; // [K, L]
  head_total: Int32Array; // [L]
  mlp_total: Int32Array; // [L]
  layer_total: Int32Array; // [L]
  strip_n_edges: Int32Array; // [J]
  strip_shares: Uint8Array; // [J, L, cells], in 255ths
  token_shares: Uint8Array; // [K, T], in 255ths
  strongest_source: Int32Array; // [L, H + 1, S], the MLP after the heads
  strongest_target: Int32Array; // [L, H + 1, S]
  strongest_weight: Float32Array; // [L, H + 1, S]
  strongest_rank: Int32Array; // [L, H + 1, S]
}

export interface EncodedArray {
  dtype: "int32" | "float32" | "uint8";
  shape: number[];
  /** Bytes over a comm, base64 text in an exported page. */
  data: DataView | ArrayBuffer | Uint8Array | string;
}

interface BundleOf<A> {
  version: 1;
  model: string;
  /** Where it runs, "" for here. */
  server: string;
  prompt: string;
  tokens: string[];
  importance: string;
  masks: string;
  position: number;
  /** The whole prompt; `tokens` are those up to `position`. */
  all_tokens: string[];
  n_layers: number;
  n_heads: number;
  n_tokens: number;
  n_edges: number;
  /** How many neighbouring tokens share a cell of the strip. */
  tokens_per_cell: number;
  full_entropy: number;
  vocabulary: string[];
  vocabulary_ids: number[];
  landmarks: Landmark[];
  arrays: A;
}

export type EncodedBundle = BundleOf<{ [name in keyof Arrays]: EncodedArray }>;
export type Bundle = BundleOf<Arrays>;

export interface ExplorerState {
  bundle: EncodedBundle | null;
  n_edges: number;
  toggles: Toggles;
  evaluation: Evaluation | null;
  /** Exact results that are known ahead, where no model stands behind the view. */
  evaluations: Evaluation[];
  status: Status | null;
  choices: Choices;
  curves: Curve[];
  history: History | Record<string, never>;
  live: boolean;
}

/** What the views need of an anywidget model: a comm in a notebook, a plain object in an exported page. */
export type ExplorerModel = Pick<AnyModel<ExplorerState>, "get" | "set" | "on" | "off" | "save_changes" | "send">;

const arrayTypes = { int32: Int32Array, float32: Float32Array, uint8: Uint8Array };

/** The numbers of one encoded array. Bytes are copied: a view over a comm message rarely starts at a multiple of four. */
export function decodeArray({ dtype, data }: EncodedArray): Int32Array | Float32Array | Uint8Array {
  if (typeof data === "string") {
    return new arrayTypes[dtype](Uint8Array.from(atob(data), (character) => character.charCodeAt(0)).buffer);
  }
  if (data instanceof ArrayBuffer) return new arrayTypes[dtype](data.slice(0));
  return new arrayTypes[dtype](data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer);
}

/** A bundle with typed arrays, or null while Python has sent none. */
export function decodeBundle(encoded: EncodedBundle | null): Bundle | null {
  if (!encoded?.arrays) return null;
  const decoded = Object.entries(encoded.arrays).map(([name, array]) => [name, decodeArray(array)]);
  return { ...encoded, arrays: Object.fromEntries(decoded) as Arrays };
}
