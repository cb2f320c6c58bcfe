// The strip of tokens: how it fits its width, in whole pixels a cell and a window where not all fit; and its parts in words.
import type { ViewState } from "../protocol/types";
import { formatCount } from "./scales";
import { columns } from "./tokenText";

export interface Strip {
  /** How many tokens are shown, of all. */
  shown: number;
  cellWidth: number;
  cellHeight: number;
  /** Labels lie flat, or stand. */
  flat: boolean;
  /** One label for so many tokens. */
  labelEvery: number;
}

/** A layer's share of the tokens that one cell stands for. */
export interface StripCell {
  cell: number;
  layer: number;
}

const narrowest = 7; // px a token
const uprightFrom = 38; // px a token, for labels that lie flat
const longestLabel = 67; // px down a standing label
const characterWidth = 6.5; // px, standing
const flatWidth = 7; // px
const labelPitch = 13; // px from one standing label to the next

/** The height that the labels of all tokens need, shown or not: nothing moves while the window does. */
export const labelHeight = (labels: readonly string[], flat: boolean): number =>
  flat ? 20 : Math.min(longestLabel, Math.ceil(Math.max(...labels.map(columns)) * characterWidth)) + 6;

/** How long a label may be. */
export const labelColumns = ({ flat, cellWidth }: Strip): number => Math.floor((flat ? cellWidth - 2 : longestLabel) / (flat ? flatWidth : characterWidth));

export function fitStrip(width: number, tokens: number, layers: number): Strip {
  const shown = Math.max(1, Math.min(tokens, Math.floor(width / narrowest)));
  const cellWidth = Math.max(narrowest, Math.floor(width / shown));
  const flat = cellWidth >= uprightFrom;
  return {
    shown,
    cellWidth,
    cellHeight: Math.min(12, Math.max(2, Math.floor(128 / layers))),
    flat,
    labelEvery: flat ? 1 : Math.ceil(labelPitch / cellWidth),
  };
}

/** The first and the last token in some cells of the strip. */
const span = ({ n_tokens, tokens_per_cell }: ViewState, firstCell: number, endCell: number): [first: number, last: number] => [
  firstCell * tokens_per_cell,
  Math.min(n_tokens, endCell * tokens_per_cell) - 1,
];

/** "token 7" or "tokens 8 to 15". */
export function tokensIn(viewState: ViewState, firstCell: number, endCell: number): string {
  const [first, last] = span(viewState, firstCell, endCell);
  return first === last ? `token ${formatCount(first)}` : `tokens ${formatCount(first)} to ${formatCount(last)}`;
}

/** "65 of 2,000 shown". */
export function shownOfAll(viewState: ViewState, firstCell: number, endCell: number): string {
  const [first, last] = span(viewState, firstCell, endCell);
  return `${formatCount(last - first + 1)} of ${formatCount(viewState.n_tokens)} shown`;
}
