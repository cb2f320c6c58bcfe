// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `python js/generate_protocol.py`: change it there.

export type Ablation = "zero" | "mean" | "patch" | "patch values";

/** The question of a trace; nothing where it asks about the whole distribution. Old files ask none. */
export interface Asked {
  /** Ids of the tokens that are asked for. */
  target?: number[];
  /** And of those that they are set against. */
  foil?: number[];
  /** Token ids of another prompt, as long as the whole prompt. */
  counterfactual?: number[];
  /** What dropped edges carry; nothing where it is absent. */
  ablation?: Ablation;
}

/** A token that is asked for, or that it is set against. */
export interface AskedToken {
  /** Its id in the vocabulary. */
  id: number;
  /** Its text, which is data and never HTML. */
  token: string;
}

/** The question in words, and its figures; the figure m is a difference of logits, in nats. */
export interface Question {
  /** What is asked for; perhaps nothing. */
  target: AskedToken[];
  /** What that is set against; without, m is the target's log probability. */
  foil: AskedToken[];
  /** Texts of the other prompt's tokens, beside those of `all_tokens`. */
  counterfactual: string[];
  /** The same as a text to be edited. */
  counterfactual_text: string;
  /** Whether the order of the edges answers this question, or that about all tokens. */
  ordered: boolean;
  /** M of the full model; null where nothing is asked for. */
  full_figure: number | null;
  /** M of the subgraph without an edge, once that was run. */
  empty_figure: number | null;
  /** Mean faithfulness over s, once all levels are there. */
  cpr: number | null;
  /** Mean of its distance from 1. */
  cmd: number | null;
  /** The first over log10 s. */
  cpr_log: number | null;
  /** The second over log10 s. */
  cmd_log: number | null;
}

/** How much of the target's figure there is. */
export interface Faithful {
  /** (m - m(empty)) / (m(full) - m(empty)) of the target's figure m; null where that is nothing. */
  faithfulness?: number | null;
}
