// Where the labels of the landmarks go: over the plot, in as many lines as keep them apart.
import { groups } from "d3-array";
import type { Landmark } from "../protocol/types";

const names: Record<Landmark["key"], string> = {
  top1: "top-1 returns",
  top5: "top-5 returns",
  nucleus60: "60 % nucleus",
  tv: "TV ≤ 0.1",
};

export interface PlacedLandmark {
  label: string;
  nEdges: number;
  x: number;
  /** Left of its line where it would run over the right edge. */
  anchor: "start" | "end";
  line: number;
}

const gap = 5;

interface Label {
  label: string;
  nEdges: number;
  x: number;
  anchor: "start" | "end";
  start: number;
  end: number;
}

/**
 * Landmarks of one size share a label. `taken` is what a caption uses of the first line; `textWidth` estimates the
 * width of a label, which could only be measured in a second layout. A landmark's line hangs from its label, so a label
 * lies above all whose lines it would cross.
 */
export function placeLandmarks(
  landmarks: readonly Landmark[],
  toX: (nEdges: number) => number,
  width: number,
  taken: number,
  textWidth: (label: string) => number,
): PlacedLandmark[] {
  const waiting = anchored(landmarks, toX, width, textWidth);
  const placed: (Label & { line: number })[] = [];
  while (waiting.length > 0) {
    const free = waiting.findIndex((label) => !waiting.some((other) => crosses(other, label)));
    const [label] = waiting.splice(Math.max(0, free), 1);
    const above = placed.filter((other) => crosses(other, label)).map((other) => other.line + 1);
    let line = Math.max(0, ...above);
    const occupied = () => (line === 0 && label.start < taken + gap) || placed.some((other) => other.line === line && overlap(other, label));
    while (occupied()) line += 1;
    placed.push({ ...label, line });
  }
  return placed.sort((first, second) => first.x - second.x).map(({ label, nEdges, x, anchor, line }) => ({ label, nEdges, x, anchor, line }));
}

/** Labels right of their lines; left where one would leave the plot, or run into one that lies left itself. */
function anchored(landmarks: readonly Landmark[], toX: (nEdges: number) => number, width: number, textWidth: (label: string) => number): Label[] {
  const labels: Label[] = [];
  const places = groups(landmarks, (landmark) => landmark.n_edges)
    .map(([nEdges, same]) => ({ nEdges, label: same.map(({ key }) => names[key]).join(" · "), x: toX(nEdges) }))
    .sort((first, second) => second.x - first.x);
  for (const place of places) {
    const length = textWidth(place.label) + gap;
    const right: Label = { ...place, anchor: "start", start: place.x, end: place.x + length };
    const left: Label = { ...place, anchor: "end", start: place.x - length, end: place.x };
    const inTheWay = labels.some((other) => other.anchor === "end" && crosses(right, other));
    labels.push(right.end > width || (inTheWay && left.start >= 0) ? left : right);
  }
  return labels.reverse();
}

const crosses = (label: Label, other: Label): boolean => label !== other && label.start < other.x && other.x < label.end;
const overlap = (first: Label, second: Label): boolean => first.start < second.end + gap && second.start < first.end + gap;
