// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `python js/generate_protocol.py`: change it there.

/** One refinement. */
export interface Refinement {
  /** Its budget, in forward passes. */
  passes: number;
  /** Which edges the subgraphs that it looked at might lose. */
  masks: string;
  /** Where their attention came from. */
  attention: string;
  /** What their dropped edges carried. */
  ablation: string;
  /** Whether gradients were used. */
  gradients: boolean;
}

/** How a trace was refined. */
export interface Refined {
  /** The measure whose weights it began with; empty for the measure `refined`. */
  start: string;
  /** One after the other. */
  refinements: Refinement[];
}
