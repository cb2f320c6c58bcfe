// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `python js/generate_protocol.py`: change it there.

/** An edge of the trace, and what its entering does to the error. */
export interface EnteringEdge {
  /** Which of a layer's edges it is. */
  kind: "attention" | "attention_residual" | "mlp" | "mlp_residual";
  /** Its layer. */
  layer: number;
  /** Its head, of an attention edge. */
  head: number | null;
  /** The token from which it comes. */
  source: number;
  /** The token to which it leads. */
  target: number;
  /** In the trace of n edges where below n. */
  rank: number;
  /** Total variation without it. */
  before: number;
  /** Total variation with it. */
  after: number;
}

/** Why the error changes between two sizes, as far as single edges make it. */
export interface Jump {
  /** The two sizes. */
  n_edges: number[];
  /** The error at both. */
  total_variation: number[];
  /** That make at least 5 % of the change each, at most four, the largest first. */
  edges: EnteringEdge[];
}
