// Where the labels of the landmarks go: side by side over the plot, each as near to its line as the others let it.
import { groups, sum } from "d3-array";
import type { Landmark } from "../protocol/types";

/** The most telling first: on a narrow screen the last of them have no label. */
const names: Record<Landmark["key"], string> = { top1: "top-1", top5: "top-5", nucleus60: "60 % nucleus", tv: "TV ≤ 0.1" };
const keys = Object.keys(names) as Landmark["key"][];

export interface PlacedLandmark {
  nEdges: number;
  /** Where its line is. */
  x: number;
  /** Without room, it has none. */
  label: string;
  /** The middle of the label, to which its line leads. */
  labelX: number;
}

const gap = 12; // px

interface Label {
  width: number;
  /** The middle that it would have by itself, and the one that it has. */
  wanted: number;
  middle: number;
}

/**
 * Landmarks of one size share a label. `textWidth` estimates the width of a label, which could only be measured in a
 * second layout. The labels keep the order of their lines, do not overlap, and lie over the plot.
 */
export function placeLandmarks(
  landmarks: readonly Landmark[],
  toX: (nEdges: number) => number,
  width: number,
  textWidth: (label: string) => number,
): PlacedLandmark[] {
  const sorted = [...landmarks].sort((first, second) => keys.indexOf(first.key) - keys.indexOf(second.key));
  const placed = groups(sorted, ({ n_edges }) => n_edges).map(([nEdges, same]) => ({ nEdges, x: toX(nEdges), text: joined(same.map(({ key }) => names[key]), (text) => textWidth(text) <= width) }));
  const roomFor = (count: number) => sum(placed.slice(0, count), ({ text }) => textWidth(text) + gap) - gap <= width;
  let labelled = placed.length;
  while (labelled > 0 && !roomFor(labelled)) labelled -= 1;
  const shown = placed.slice(0, labelled).sort((first, second) => first.x - second.x);
  const middles = sideBySide(shown.map(({ x, text }) => ({ wanted: x, width: textWidth(text) })), width);
  return placed
    .map(({ nEdges, x, text }) => {
      const index = shown.findIndex((other) => other.nEdges === nEdges);
      return { nEdges, x, label: index < 0 ? "" : text, labelX: middles[index] ?? x };
    })
    .sort((first, second) => first.x - second.x);
}

/** As many names as there is room for. */
function joined(parts: readonly string[], fits: (text: string) => boolean): string {
  const texts = parts.map((_, left) => parts.slice(0, parts.length - left).join(" · ") + (left > 0 ? " …" : ""));
  return texts.find(fits) ?? texts[0];
}

/** The middles of labels that are to lie near places, in their order: those that would overlap are moved by the least squares. */
export function sideBySide(labels: readonly Pick<Label, "wanted" | "width">[], width: number): number[] {
  // Less what lies before it, a label's place may only grow: a monotone regression, whose blocks are means.
  const before = labels.map((label, index) => sum(labels.slice(0, index), (other) => other.width + gap) + label.width / 2);
  const whole = sum(labels, (label) => label.width + gap) - gap;
  const blocks: { sum: number; count: number }[] = [];
  labels.forEach(({ wanted }, index) => {
    blocks.push({ sum: wanted - before[index], count: 1 });
    for (let last = blocks.at(-1)!, previous = blocks.at(-2); previous && previous.sum / previous.count > last.sum / last.count; previous = blocks.at(-2)) {
      blocks.splice(-2, 2, (last = { sum: previous.sum + last.sum, count: previous.count + last.count }));
    }
  });
  const offsets = blocks.flatMap((block) => Array<number>(block.count).fill(Math.min(Math.max(0, block.sum / block.count), Math.max(0, width - whole))));
  return labels.map((_, index) => offsets[index] + before[index]);
}
