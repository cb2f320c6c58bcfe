// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `python js/generate_protocol.py`: change it there.

/** What the last token's stream predicts. */
export interface Predicted {
  /** The most probable next token. */
  token: string;
  /** Its probability. */
  probability: number;
  /** Of the answer, above the rival's. */
  logit: number;
}

/** The logit lens after one layer. */
export interface LayerPrediction {
  /** In the full model. */
  full: Predicted;
  /** In the subgraph. */
  subgraph: Predicted;
}

/** A token that a head writes to. */
export interface Promoted {
  /** Its text. */
  token: string;
  /** By how much its logit grows. */
  logit: number;
}

/** What a head attends to and writes; the full model first, then the subgraph. */
export interface HeadInside {
  /** The head, `21.4`. */
  node: string;
  /** The first token of those that are shown: the last N. */
  first: number;
  /** [2, N, N] by target and source, in 255ths: its probabilities; in the subgraph of the edges kept. */
  attention: number[];
  /** The tokens to which it writes most; empty where that cannot be said. */
  promoted: Promoted[][];
}

/** What a subgraph looks like inside. */
export interface Inside {
  /** Of the subgraph. */
  n_edges: number;
  /** Under which it was run. */
  toggles: Readonly<Record<string, string>>;
  /** The token asked for; of several, all their names. */
  answer: string;
  /** The one that it is set against. */
  rival: string;
  /** Of the embeddings, then after each layer. */
  layers: LayerPrediction[];
  /**
   * [2, L, H + 1], heads and then the MLP: what each writes directly to the answer's logit above the rival's; empty where that cannot be
   * said.
   */
  direct: number[];
  /** Why it cannot be said; empty where it can. */
  refusal: string;
  /** The head that was asked about. */
  head: HeadInside | null;
}
