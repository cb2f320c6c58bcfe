// The guided tour: what each step points at and says, where its callout lies, and whether it was seen.
import type { ViewState } from "../protocol/types";

export interface TourStep {
  /** What it points at, in the card. */
  part: string;
  title: string;
  text: string;
  /** What it says where no model answers, if not the same. */
  replay?: string;
}

const graphPart = ".sw-graph";
const curve =
  "An edge carries what one position hands on to the next: a head from token to token, an MLP, or the stream itself. Drag the line to keep fewer or more of them. " +
  "The curve is the total variation (TV): the share of probability that stands at the wrong tokens, 0 for the model's own prediction.";

export const tour: readonly TourStep[] = [
  {
    part: ".sw-prompt",
    title: "The prompt",
    text: "The model says what follows the marked token. Click another token to explain that one, or edit the text.",
    replay: "The model says what follows the marked token. The line under a token is its share of the subgraph.",
  },
  {
    part: ".sw-curve",
    title: "The curve is a slider",
    text: `${curve} Refine, above it, looks for a lower one.`,
    replay: curve,
  },
  {
    part: graphPart,
    title: "The graph",
    text: "All edges that are kept: tokens side by side, layers above each other, the prediction on top. Click a node to switch that token there, an arc to open its head.",
    replay: "All edges that are kept: tokens side by side, layers above each other, the prediction on top. Point at an arc to see its heads.",
  },
  {
    part: ".sw-next",
    title: "The next token",
    text: "The upper bar is what this subgraph predicts, the lower one the whole model. They meet as the subgraph grows.",
  },
  {
    part: ".sw-layers",
    title: "Layers and toggles",
    text: "A cell is a head or an MLP, shaded by how much of it is kept. Click one to switch it off, and again to put it in whole.",
    replay: "A cell is a head or an MLP, shaded by how much of it is kept. A layer's number opens the layer.",
  },
  {
    part: ".sw-positions",
    title: "Tokens by layers",
    text: "A column is a token, a row a layer. The shade is the share of the edges into that place that are kept.",
  },
  {
    part: ".sw-foot",
    title: "Nothing is lost",
    text: "Undo and redo lead through all that you tried. Save it as a file, or take it along as code.",
    replay: "Undo and redo lead through all that you tried. Save keeps it as a file.",
  },
];

/** The steps of a state; old files have no graph. */
export const tourOf = ({ arrays }: ViewState): readonly TourStep[] => (arrays.graph_part.length > 0 ? tour : tour.filter(({ part }) => part !== graphPart));

export interface Extent {
  width: number;
  height: number;
}

/** In pixels from the upper left corner of the card. */
export interface Box extends Extent {
  left: number;
  top: number;
}

export type Side = "right" | "left" | "below" | "above";

export interface CalloutPosition {
  /** The side of the part on which the callout lies. */
  side: Side;
  left: number;
  top: number;
  /** Where on the callout's edge the arrow is, from its upper or left end. */
  arrow: number;
}

/** Between a part and its ring, between that and the callout, and between the callout and the card's edge. */
const margin = 5;
const gap = 9;
const edge = 8;
const arrowInset = 22;

const within = (value: number, low: number, high: number): number => Math.max(low, Math.min(value, high));

/** A ring around a part, as far as the card reaches. */
export function ringAround({ left, top, width, height }: Box, card: Extent): Box {
  const [start, upper] = [Math.max(0, left - margin), Math.max(0, top - margin)];
  const [end, lower] = [Math.min(card.width, left + width + margin), Math.min(card.height, top + height + margin)];
  return { left: start, top: upper, width: end - start, height: lower - upper };
}

/** Beside its part if there is room, else below or above it: never over it, and inside the card. */
export function placeCallout(part: Box, callout: Extent, card: Extent): CalloutPosition {
  const right = part.left + part.width;
  const bottom = part.top + part.height;
  const across = callout.width + gap + edge;
  const down = callout.height + gap + edge;
  if (card.width - right >= across || part.left >= across) {
    const side = card.width - right >= across ? "right" : "left";
    const left = side === "right" ? right + gap : part.left - gap - callout.width;
    const top = within(part.top, edge, card.height - callout.height - edge);
    return { side, left, top, arrow: within(part.top + arrowInset - top, arrowInset, callout.height - arrowInset) };
  }
  const side = card.height - bottom >= down ? "below" : "above";
  const top = side === "below" ? bottom + gap : part.top - gap - callout.height;
  const middle = part.left + part.width / 2;
  const left = within(middle - callout.width / 2, edge, card.width - callout.width - edge);
  return { side, left, top, arrow: middle - left };
}

const key = "strace-widgets-tour";

/**
 * Whether nobody was shown the tour in this browser; from now on it was shown, so that it comes unasked once, and in one
 * Explorer of a page. Where that cannot be remembered it does not come unasked at all: storage may be absent or refuse,
 * and a frame's may be forgotten with the frame.
 */
export function isFirstTime(): boolean {
  try {
    if (window.self !== window.top || localStorage.getItem(key) !== null) return false;
    localStorage.setItem(key, "shown");
    return localStorage.getItem(key) !== null;
  } catch {
    return false;
  }
}
