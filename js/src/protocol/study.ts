// What Python and the browser say to each other of a study. Made from
// strace_widgets/study_explorer/contract.py by `python js/generate_protocol.py`: change it there.
import type { EncodedArray, ExplorerState } from "./types";

/** A model that was studied. */
export interface StudiedModel {
  /** As it was loaded. */
  name: string;
  /** How many layers it has. */
  n_layers: number;
  /** How many heads a layer has. */
  n_heads: number;
  /** Whether a prompt opens on the model, as its trace was kept, or not at all. */
  opens: "live" | "kept" | "none";
}

/** One way in which all prompts were traced and evaluated. */
export interface StudyRun {
  /** The importance measure. */
  importance: string;
  /** Which edges a subgraph may lose. */
  masks: string;
}

/** A number that is known of each prompt before it is traced. */
export interface StudyColumn {
  /** Its name in the table of prompts. */
  key: string;
  /** For an axis, with its unit. */
  label: string;
}

/** What is shown of a study beside its prompts, which come in portions. */
export interface StudyState {
  /** A heading. */
  title: string;
  /** One a study that is shown. */
  models: StudiedModel[];
  /** Those that all studies have. */
  runs: StudyRun[];
  /** The measures of `runs`, each once. */
  importances: string[];
  /** The grid, ascending; the last is 1. */
  sizes: number[];
  /** The sizes at which the use of components is told. */
  use_sizes: number[];
  /** What a necessary size is necessary for. */
  criteria: string[];
  /** The numbers of `numbers`. */
  columns: StudyColumn[];
  /** How many prompts there are once the study is whole. */
  n_asked: number;
}

/** The numbers of a portion of n prompts; not-a-number where a prompt failed or has none. */
export interface StudyArrays {
  /** Float32 (columns, n). */
  numbers: EncodedArray;
  /** Float32 (runs, n, sizes): total variation of the trace. */
  curves: EncodedArray;
  /** Float32 (runs, criteria, n). */
  necessary: EncodedArray;
  /**
   * Uint8 (importances, use sizes, n, layers x (heads + 1)): the share of a head's edges, or of an MLP's (the last of its layer), that is
   * in the trace; in 255ths, rounded up.
   */
  use: EncodedArray;
}

/** A portion of prompts of one study. */
export interface StudyRows {
  /** The place of its model. */
  model: number;
  /** Of the prompts. */
  ids: string[];
  /** Which are data and never HTML. */
  texts: string[];
  /** Empty for none. */
  kinds: string[];
  /** Empty for none. */
  languages: string[];
  /** The full model's most probable next token. */
  top1: string[];
  /** Why a prompt failed; empty if it did not. */
  reasons: string[];
  /** Its numbers. */
  arrays: StudyArrays;
}

/** A prompt's Explorer on a page. */
export interface KeptPrompt {
  /** Of the prompt. */
  row: number;
  /** The measure. */
  importance: string;
  /** Its state: JSON, compressed by gzip, as base64. */
  state: string;
}

/** A study in a page without a kernel. */
export interface StudyPage {
  /** All but its prompts. */
  study: StudyState;
  /** All portions. */
  rows: StudyRows[];
  /** The Explorers that can be opened. */
  kept: KeptPrompt[];
}

/** Which portion of prompts is asked for. */
export interface RowsAsked {
  /** Its number, from 0. */
  portion: number;
}

/** A portion of prompts. */
export interface RowsAnswer {
  /** The portion, its bytes apart. */
  rows: StudyRows;
}

/** Which prompt is to be opened. */
export interface OpenAsked {
  /** Its number, counted over all portions. */
  row: number;
  /** The measure. */
  importance: string;
}

/** A prompt's Explorer. */
export interface OpenAnswer {
  /** As it was kept; without one it is the model's trait `explorer`. */
  state?: ExplorerState;
}
