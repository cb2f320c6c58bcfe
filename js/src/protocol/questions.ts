// What the browser asks and Python answers. Made from strace_widgets/explorer/questions.py by
// `python js/generate_protocol.py`: change it there.
import type { Settings, Toggles } from "./types";

/** No more than the kind. */
export type Nothing = object;

/** Another trace, and where to open it. */
export interface TraceQuestion {
  /** What to compute it from. */
  settings: Settings;
  /** Without it, the size from which on the top token returns. */
  n_edges?: number;
  /** Without them, none. */
  toggles?: Toggles;
  /** Another prompt's text, in the place of the one in the settings; none where it is empty. */
  counterfactual?: string;
  /** The present prompt and its counterfactual in each other's place, whatever the settings say. */
  swap?: boolean;
}

/** Other curves. */
export interface CompareQuestion {
  /** Measures, `inverse` or `random`. */
  names: string[];
}

/** A better trace than the present one. */
export interface RefineQuestion {
  /** The budget, in forward passes of the prompt. */
  passes: number;
}

/** A jump of the curve. */
export interface WhyQuestion {
  /** The two sizes between which it lies, the smaller first. */
  n_edges: number[];
}

/** What to look at inside the present subgraph. */
export interface InsideQuestion {
  /** A head, `21.4`, whose attention is told; anything else: none. */
  node: string;
}

/** A head or an MLP. */
export interface NodeQuestion {
  /** `21.4` or `21.mlp`. */
  node: string;
}

/** An edge of a head or an MLP. */
export interface NodeEdge {
  /** The token from which it comes. */
  source: number;
  /** The token to which it leads. */
  target: number;
  /** Its weight. */
  weight: number;
  /** In the trace of n edges where below n. */
  rank: number;
}

/** What a head or an MLP does in the present trace. */
export interface NodeDetails {
  /** Of each token: the share of the node's weight, signs aside, that comes from it. */
  shares: number[];
  /** The 32 strongest, by weight. */
  edges: NodeEdge[];
}

/** Programs that reproduce the numbers on screen. They never hold an API key. */
export interface Programs {
  /** With this package. */
  strace_widgets: string;
  /** With nnsight alone. */
  nnsight: string;
  /** What they need besides themselves; empty where that is nothing. */
  note: string;
}

/** What is asked of Python by a message, by its kind. */
export interface Questions {
  /**
   * A kernel is there. Sent when a view opens, and where a new `n_edges` or `toggles` has brought no sign of life within 2 s. No answer
   * within 4 s: the kernel is busy with a cell, or gone, and only the size moves.
   */
  hello: Nothing;
  /** Tries the present state again, after an error; answered when it was taken up. */
  evaluate: Nothing;
  /**
   * Goes on with the levels where `levels_follow` and none is under way, after an error or a cancelling; answered when it was taken up.
   * With a trace they come by themselves, a few at a time: `view_state` is written anew.
   */
  levels: Nothing;
  /**
   * Switches off each head and MLP, one at a time, a batch after the other, where that is not known: `effects` is written anew after each.
   * Answered when it was taken up; another prompt ends it.
   */
  effects: Nothing;
  /**
   * Computes the trace anew, then writes `view_state`, `n_edges`, `toggles` and `curves`. The browser gives the present size and toggles
   * where the graph is the same: under another measure or mode. Where only the measure is another, `curves` keeps what still holds, and the
   * former measure's takes the new one's place; with another target, what does not answer it; else it is emptied. What the session has kept
   * is not computed again.
   */
  trace: TraceQuestion;
  /** Computes other measures and baselines, each at its own levels, into `curves`. */
  compare: CompareQuestion;
  /**
   * Goes on from the present trace, under the present masks mode. Each improvement is written into `curves` as `refining`; at the end, or
   * once it is cancelled, the best trace that was seen takes the present one's place, as after `trace`, at the size and with the toggles
   * that then are. Where nothing better was found, `status` says so. Sizes and toggles are evaluated in between.
   */
  refine: RefineQuestion;
  /**
   * Looks for the few edges whose entering makes a jump, by subgraphs of sizes in between, a round after the other, and writes them into
   * `jumps`. What the session knows is not looked for again.
   */
  why: WhyQuestion;
  /**
   * Runs the present subgraph beside the full model once, and writes into `inside` what the stream predicts after each layer, what each
   * component writes, and what a head attends to.
   */
  inside: InsideQuestion;
  /** Answered at once, also while the model runs. */
  node: NodeQuestion;
  /**
   * The `trace`, `compare`, `levels`, `effects`, `why` and `inside` under way end at their next step, a `refine` with the best that it has
   * seen; no job on a server is waited for any longer.
   */
  cancel: Nothing;
  /** The programs for the present state. */
  code: Nothing;
}

/** What Python answers. */
export interface Answers {
  hello: Nothing;
  evaluate: Nothing;
  levels: Nothing;
  effects: Nothing;
  trace: Nothing;
  compare: Nothing;
  refine: Nothing;
  why: Nothing;
  inside: Nothing;
  node: NodeDetails;
  cancel: Nothing;
  code: Programs;
}
