import { describe, expect, it } from "vitest";
import { placeLandmarks, sideBySide } from "../src/logic/landmarks";
import type { Landmark } from "../src/protocol/types";
import { randomNumbers } from "./fixture";

const textWidth = (label: string) => 6 * label.length;
const place = (landmarks: readonly Landmark[], width: number) => placeLandmarks(landmarks, (size) => size, width, textWidth);

describe("labels of landmarks", () => {
  it("are over their lines where there is room", () => {
    const placed = place([{ key: "tv", n_edges: 400 }, { key: "top1", n_edges: 100 }, { key: "nucleus60", n_edges: 250 }], 500);
    expect(placed.map(({ label, x, labelX }) => [label, x, labelX])).toEqual([
      ["top-1", 100, 100],
      ["60 % nucleus", 250, 250],
      ["TV ≤ 0.1", 400, 400],
    ]);
  });

  it("are one where the size is one", () => {
    const placed = place([{ key: "tv", n_edges: 12 }, { key: "nucleus60", n_edges: 12 }, { key: "top1", n_edges: 10 }], 500);
    expect(placed.map(({ label }) => label)).toEqual(["top-1", "60 % nucleus · TV ≤ 0.1"]);
  });

  it("say less, the most telling first, where a screen is narrow; every line stays", () => {
    const narrow = place([{ key: "tv", n_edges: 20 }, { key: "nucleus60", n_edges: 50 }, { key: "top1", n_edges: 90 }], 120);
    expect(narrow.map(({ label, x }) => [label, x])).toEqual([["", 20], ["60 % nucleus", 50], ["top-1", 90]]);
    const all = (["top1", "top5", "nucleus60", "tv"] as const).map((key) => ({ key, n_edges: 50 }));
    expect(place(all, 120)[0].label).toBe("top-1 · top-5 …");
  });

  it("never overlap, leave the plot or change their order, wherever the landmarks are", () => {
    const random = randomNumbers(3);
    for (let round = 0; round < 500; round += 1) {
      const width = 120 + 900 * random();
      const crowd = width * random() ** 3; // often all of them close together
      const from = (width - crowd) * random();
      const landmarks = (["top1", "top5", "nucleus60", "tv"] as const).map((key) => ({ key, n_edges: from + crowd * random() }));
      const placed = place(landmarks, width);
      expect(placed).toHaveLength(4);
      const labels = placed.filter(({ label }) => label);
      expect(labels.length).toBeGreaterThan(width > 260 ? 3 : 0);
      const spans = labels.map(({ label, labelX }) => [labelX - textWidth(label) / 2, labelX + textWidth(label) / 2]);
      spans.forEach(([start, end], index) => {
        expect(start).toBeGreaterThanOrEqual(-1e-6);
        expect(end).toBeLessThanOrEqual(width + 1e-6);
        if (index > 0) expect(start - spans[index - 1][1]).toBeGreaterThan(11.99);
      });
    }
  });

  it("move no further than they must", () => {
    // Two that want one place share the way; a third that is clear of them stays.
    expect(sideBySide([{ wanted: 100, width: 20 }, { wanted: 100, width: 20 }, { wanted: 300, width: 20 }], 400)).toEqual([84, 116, 300]);
  });
});
