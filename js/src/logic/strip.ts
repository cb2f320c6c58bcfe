// How the strip of tokens fits its width: whole pixels a token, and a window where not all of them fit.

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

const narrowest = 7; // px a token
const uprightFrom = 38; // px a token, for labels that lie flat
const longestLabel = 67; // px down a standing label
const characterWidth = 6.5; // px
const labelPitch = 13; // px from one standing label to the next

/** The height that the labels of all tokens need, shown or not: nothing moves while the window does. */
export const labelHeight = (labels: readonly string[], flat: boolean): number =>
  flat ? 20 : Math.min(longestLabel, Math.ceil(Math.max(...labels.map((label) => label.length)) * characterWidth)) + 6;

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
