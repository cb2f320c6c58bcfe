// Where the labels of the landmarks go: over the plot, in as many lines as keep them apart.
import { groups } from "d3-array";
import type { Landmark } from "./state";

const names: Record<Landmark["key"], string> = {
  top1: "top-1 returns",
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

/**
 * Landmarks of one size share a label. `taken` is what a caption uses of the first line; `textWidth` estimates the
 * width of a label, which could only be measured in a second layout.
 */
export function placeLandmarks(
  landmarks: readonly Landmark[],
  toX: (nEdges: number) => number,
  width: number,
  taken: number,
  textWidth: (label: string) => number,
): PlacedLandmark[] {
  const ends = [taken];
  return groups(landmarks, (landmark) => landmark.n_edges)
    .map(([nEdges, same]) => ({ nEdges, label: same.map(({ key }) => names[key]).join(" · "), x: toX(nEdges) }))
    .sort((first, second) => first.x - second.x)
    .map((landmark) => {
      const length = textWidth(landmark.label) + gap;
      const anchor = landmark.x + length > width ? "end" : "start";
      const start = anchor === "start" ? landmark.x : landmark.x - length;
      const free = ends.findIndex((end) => end + gap <= start);
      const line = free === -1 ? ends.length : free;
      ends[line] = anchor === "start" ? landmark.x + length : landmark.x;
      return { ...landmark, anchor, line } as const;
    });
}
