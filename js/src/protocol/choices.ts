// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `python js/generate_protocol.py`: change it there.

/** What a list of importance measures says of one. */
export interface MeasureChoice {
  /** Of `MEASURES`. */
  name: string;
  /** What it has in common with those beside it. */
  group: string;
  /** Its meaning in a few words. */
  label: string;
}

/** What a person can change to. */
export interface Choices {
  /** The importance measures. */
  importance: MeasureChoice[];
  /** The masks modes. */
  masks: string[];
  /** What dropped edges may carry. Old files have none. */
  ablation?: string[];
}
