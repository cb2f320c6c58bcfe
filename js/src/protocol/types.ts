// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `python js/generate_protocol.py`: change it there.

export type * from "./choices";
export type * from "./groups";
export type * from "./inside";
export type * from "./jumps";
export type * from "./refined";
export type * from "./status";
export type * from "./targets";
import type { Choices } from "./choices";
import type { Group } from "./groups";
import type { Inside } from "./inside";
import type { Jump } from "./jumps";
import type { Refined } from "./refined";
import type { Status } from "./status";
import type { Asked, Faithful, Question } from "./targets";

export const version = 2;

export type Toggle = "on" | "off";
export type Toggles = Readonly<Record<string, Toggle>>;
export type Criterion = "top1" | "top5" | "tv" | "nucleus60";
export type Dtype = "int32" | "float32" | "uint8";
export type Shade = "share" | "effect" | "logit" | "weight" | "entry";

/** What a trace was computed from. */
export interface Settings extends Asked {
  /** The whole prompt. */
  prompt: string;
  /** The importance measure. */
  importance: string;
  /** Which edges a subgraph may lose. */
  masks: string;
  /** Index of the token in the whole prompt after which the prediction is explained; -1 asks for the last. */
  position: number;
  /** Whether the tokenizer adds its own, as to a plain text; true where it is absent. */
  special_tokens?: boolean;
  /** How, where `importance` is `refined`; without it, as that measure is by default. */
  refined?: Refined;
}

/** One of the leading next tokens. */
export interface TopToken {
  /** Its id in the vocabulary. */
  id: number;
  /** Its text, which is data and never HTML. */
  token: string;
  /** In the subgraph. */
  probability: number;
  /** In the full model. */
  full_probability: number;
}

/** A subgraph of a trace. */
export interface Subgraph {
  /** How many edges the trace has, before any toggles: 1..E. */
  n_edges: number;
  /** The parts that are put in or taken out. */
  toggles: Toggles;
}

/** What is remembered of a subgraph that was run. */
export interface Result {
  /** Edges that were kept, after the toggles. */
  edges_kept: number;
  /** Distance to the full model's prediction, 0..1. */
  total_variation: number;
  /** Union of the subgraph's and the full model's leading tokens, the most probable in the subgraph first. */
  top: TopToken[];
}

/** What a subgraph predicts, against the full model. */
export interface Prediction extends Result, Faithful {
  /** Kullback-Leibler divergence from the full model, in nats; null where it is infinite. */
  kl: number | null;
  /** Of the subgraph's prediction, in nats. */
  entropy: number;
  /** Whether the most probable token is the full model's. */
  top1: boolean;
  /** Recovered nucleus, as a fraction; 0 for none. */
  nucleus: number;
}

/** An exact result, with the request that it answers. */
export interface Evaluation extends Subgraph, Prediction {
}

/** A subgraph that has no result, and why. */
export interface Refusal extends Subgraph {
  /** In a sentence. */
  reason: string;
}

/** A state to go back to. */
export interface Step extends Subgraph {
  /** Of its trace. */
  settings: Settings;
  /** The heads and MLPs that have a name. Old steps say nothing of them. */
  groups?: Group[];
}

/** A subgraph whose exact result was seen; `top` has the subgraph's ten most probable tokens. */
export interface Tried extends Step, Result {
  /** As the person calls it. */
  name: string;
}

/** What was tried, as the browser keeps it. */
export interface History {
  /** Of this shape. */
  version: 2;
  /** In the order in which they were made. */
  steps: Step[];
  /** The present step, which undo and redo move; -1 before the first. */
  at: number;
  /** The newest first. */
  tried: Tried[];
}

/** A session as a file, JSON: everything that a person did, none of the model. Both sides write and read it. */
export interface SessionFile extends Step {
  /** What the file is. */
  format: "strace-session";
  /** Of this shape. */
  version: 2;
  /** The model that it belongs to. */
  model: string;
  /** What was tried. */
  history: History;
  /** What the cells of heads and MLPs are shaded by. */
  shade?: Shade;
  /** What was known of each head and MLP, with arrays as base64 text. */
  effects?: EffectMap;
  /** What was noted. Old files have none. */
  note?: string;
}

/** Another error curve on the same axes. */
export interface Curve {
  /** The measure's, or `inverse`, `random` or `refining`. */
  name: string;
  /** What it is a curve of; `refining`: of the best trace so far, at the few sizes that refining looks at. */
  kind: "measure" | "baseline" | "refining";
  /** Its sizes, ascending. */
  n_edges: number[];
  /** The error at each. */
  total_variation: number[];
  /** In nats, null for infinite; not of `refining`, nor in old files. */
  kl?: (number | null)[];
  /** Of the target's figure, where one is asked for. */
  faithfulness?: number[];
  /** From so many edges on the top token is the full model's; old files have none. */
  lasting_top1?: number | null;
  /** How, where the measure is `refined`. */
  refined?: Refined;
}

/** From where on a criterion holds at every larger level. */
export interface Landmark {
  /** The top token, the five leading tokens, a total variation of 0.1 at most, the 60 % nucleus. */
  key: Criterion;
  /** The size. */
  n_edges: number;
}

/** Numbers in C order, little-endian. */
export interface EncodedArray {
  /** What they are. */
  dtype: Dtype;
  /** How many of them, along each axis. */
  shape: number[];
  /** Bytes (a DataView) over a comm, base64 text in a file or an exported page. */
  data: DataView | ArrayBuffer | Uint8Array | string;
}

/** Numbers of K levels, edges at N sizes, J in the strip of C cells, G to be drawn; V tokens, S strongest edges. */
export interface Arrays {
  /** int32 [K]: the sizes, ascending; the last is E. */
  level_n_edges: Int32Array;
  /** float32 [K]: error at each level. */
  total_variation: Float32Array;
  /** float32 [K]: in nats; it may be infinite. */
  kl: Float32Array;
  /** float32 [K]: in nats. */
  entropy: Float32Array;
  /** uint8 [K]: 1 where the top token is the full model's. */
  top1: Uint8Array;
  /** float32 [K]: recovered nucleus, as a fraction; 0 for none. */
  nucleus: Float32Array;
  /** float32 [K]: of the target's figure, where it has one. */
  faithfulness?: Float32Array;
  /** float32 [K, V]: of each vocabulary token at each level. */
  probabilities: Float32Array;
  /** float32 [V]: in the full model. */
  full_probabilities: Float32Array;
  /** int32 [N]: the sizes at which edges are counted, ascending; the last is E. Old files have none: they count at the levels. */
  count_n_edges: Int32Array;
  /** int32 [N, L, H]: edges of each head in the trace of each of these sizes. */
  head_edges: Int32Array;
  /** int32 [N, L]: edges of each MLP. */
  mlp_edges: Int32Array;
  /** int32 [N, L]: attention, MLP and residual edges of each layer. */
  layer_edges: Int32Array;
  /** int32 [L]: edges of one head in the whole graph; the last layer's heads have fewer. */
  head_total: Int32Array;
  /** int32 [L]: edges of the MLP in the whole graph. */
  mlp_total: Int32Array;
  /** int32 [L]: edges of the layer in the whole graph. */
  layer_total: Int32Array;
  /** int32 [J]: the sizes of the strip, the first and the last among them. */
  strip_n_edges: Int32Array;
  /** uint8 [J, L, C]: share of the edges into a cell's tokens that are kept, in 255ths. */
  strip_shares: Uint8Array;
  /** uint8 [N, T]: the same for each token, over all layers. */
  token_shares: Uint8Array;
  /**
   * float32 [L, H + 1]: sum of the weights, signs aside, of the edges of each head and then of the MLP into the explained token. Old files
   * have none.
   */
  weight_into_last?: Float32Array;
  /** int32 [L, H + 1]: the smallest size at which the trace has an edge of it. Old files have none. */
  entry_n_edges?: Int32Array;
  /** int32 [L, H + 1, S]: tokens from which the strongest edges come, by weight, of each head and then of the MLP; -1 pads. */
  strongest_source: Int32Array;
  /** int32 [L, H + 1, S]: tokens to which they lead. */
  strongest_target: Int32Array;
  /** float32 [L, H + 1, S]: their weights. */
  strongest_weight: Float32Array;
  /** int32 [L, H + 1, S]: in the trace of n edges where below n. */
  strongest_rank: Int32Array;
  /**
   * int32 [G]: of the first G edges of the order, one after another: layer · (H + 3) + part, where part H is the residual edge past the
   * attention, H + 1 the MLP, H + 2 the residual edge past it. Old files have none.
   */
  graph_part: Int32Array;
  /** int32 [G]: target token · T + source token. */
  graph_link: Int32Array;
  /** float32 [G]: their weights. */
  graph_weight: Float32Array;
}

export type EncodedArrays = { [name in keyof Arrays]: EncodedArray };

/** Everything that the views need before the first request. */
export interface EncodedViewState extends Settings {
  /** Of this shape. */
  version: 2;
  /** Its name. */
  model: string;
  /** The server that it runs on, `host:port`; empty for the kernel itself. */
  server: string;
  /** The T token texts up to `position`. */
  tokens: string[];
  /** The whole prompt's. */
  all_tokens: string[];
  /** Which chat template wrote it, and what was added; may be empty. */
  prompt_note?: string;
  /** What is probably not meant, as two start tokens; may be empty. */
  prompt_warning?: string;
  /** What is asked beyond the whole distribution; absent where nothing is. */
  question?: Question;
  /** L. */
  n_layers: number;
  /** H. */
  n_heads: number;
  /** T. */
  n_tokens: number;
  /** Whether attention and MLP enter one node; old files do not say. */
  parallel?: boolean;
  /** E. */
  n_edges: number;
  /** How many neighbouring tokens share a cell of the strip: 1 but for long prompts on large models. */
  tokens_per_cell: number;
  /** Of the full model's prediction, in nats. */
  full_entropy: number;
  /** The V texts of all leading tokens at any level, the full model's included. */
  vocabulary: string[];
  /** Their ids. */
  vocabulary_ids: number[];
  /** Those that are reached. */
  landmarks: Landmark[];
  /** Whether more levels are to be computed; before the first, the whole graph is the only one. */
  levels_follow?: boolean;
  /** The numbers. */
  arrays: EncodedArrays;
}

/** The same with its bytes decoded. */
export interface ViewState extends Omit<EncodedViewState, "arrays"> {
  arrays: Arrays;
}

/** What switching off each head and each MLP, one at a time, does to the whole model's prediction. */
export interface EffectMap {
  /** The full model's most probable next token. */
  answer: string;
  /** The one after it. */
  rival: string;
  /** Uint8 [L, H + 1], 1 where it was run: of each head and then of the MLP. */
  known: EncodedArray;
  /** Float32 [L, H + 1], from the full model's prediction; NaN where unknown, or where it overflows. */
  total_variation: EncodedArray;
  /** Float32 [L, H + 1], of the answer's logit less its rival's, in nats; NaN in the same places. */
  logit_change: EncodedArray;
}

/** The traits that are kept the same on both sides. */
export interface ExplorerState {
  /** Everything but exact results. */
  view_state: EncodedViewState | null;
  /** How many edges the person has chosen, 1..E: the slider's value. */
  n_edges: number;
  /** The parts that are put in or taken out; one that is absent is *auto*, as the trace has it. */
  toggles: Toggles;
  /** The last exact result; none before the first. */
  evaluation: Evaluation | null;
  /** Exact results that are known ahead, on a page without a model: of each head and MLP toggled by itself. */
  evaluations: Evaluation[];
  /** Those of them that have no result, such as one that overflows; else empty. */
  refused: Refusal[];
  /** What it is doing. */
  status: Status;
  /** What a person can change to. */
  choices: Choices;
  /** Other curves, once computed. */
  curves: Curve[];
  /** What was asked of the curve's jumps. */
  jumps: Jump[];
  /** What was last seen inside a subgraph of the trace. */
  inside: Inside | null;
  /** What the cells of heads and MLPs are shaded by. */
  shade: Shade;
  /** What each head and MLP does, as far as it was asked for; it comes batch by batch. */
  effects: EffectMap | null;
  /** Heads and MLPs that have a name; from Python also a dict from names to members. */
  groups: Group[];
  /** What a person notes of the trace, 2,000 characters at most; data and never HTML. */
  note: string;
  /** What was tried; Python stores it, saves it and hands it back. */
  history: History;
  /** Whether a model stands behind the widget: not in an exported page, nor where a file is replayed. */
  live: boolean;
}

/** The traits before there is a trace, and those of a page without a kernel that nothing was tried in. */
export const defaults: ExplorerState = {
  view_state: null,
  n_edges: 1,
  toggles: {},
  evaluation: null,
  evaluations: [],
  refused: [],
  status: { state: "ready", message: "", progress: 0 },
  choices: { importance: [], masks: [], ablation: [] },
  curves: [],
  jumps: [],
  inside: null,
  shade: "share",
  effects: null,
  groups: [],
  note: "",
  history: { version: 2, steps: [], at: -1, tried: [] },
  live: false,
};
