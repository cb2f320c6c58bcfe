import { lab } from "d3-color";
import { describe, expect, it } from "vitest";
import { areaUnder, byArea, counterpartOf, curveAt, curveStyle, errorAt, labelSpan, marked, placeCurves, type DrawnCurve } from "../src/logic/curves";
import type { Curve } from "../src/protocol/types";

const curve = (name: string, total_variation: number[]): Curve => ({ name, kind: "measure", n_edges: [1, 10, 100], total_variation });

describe("curveAt", () => {
  it("reads on and between computed sizes, and holds at the ends", () => {
    const l2 = curve("l2", [1, 0.5, 0]);
    expect([1, 10, 100, 500].map((size) => curveAt(l2, size))).toEqual([1, 0.5, 0, 0]);
    expect(curveAt(l2, Math.sqrt(1000))).toBeCloseTo(0.25);
  });

  it("says nothing of sizes below the first that was computed", () => {
    const refining: Curve = { ...curve("refining", [0.5, 0.25, 0]), kind: "refining", n_edges: [10, 20, 100] };
    expect([9, 10, 20].map((size) => errorAt(refining, size))).toEqual(["–", "0.500", "0.250"]);
  });
});

it("reads another error where a curve has it, infinite where it says so", () => {
  const l2: Curve = { ...curve("l2", [1, 0.5, 0]), kl: [null, 4, 0] };
  expect([1, 10, 100].map((size) => curveAt(l2, size, "kl"))).toEqual([Infinity, 4, 0]);
  expect(curveAt(l2, Math.sqrt(1000), "kl")).toBeCloseTo(2);
});

describe("the area over s", () => {
  it("is that under straight lines, from an error of 1 at no edge", () => {
    expect(areaUnder(curve("l2", [1, 1, 1]))).toBeCloseTo(1);
    expect(areaUnder(curve("l2", [1, 0, 0]))).toBeCloseTo(0.01 + 0.045); // to 1 edge, and from 1 to 10 of 100
  });

  it("orders curves, the best first", () => {
    expect(byArea([curve("random", [1, 1, 0]), curve("l2", [1, 0.2, 0]), curve("l1", [1, 0.4, 0])])).toEqual([1, 2, 0]);
  });
});

it("tells eight curves apart by colour, dashes and mark, in both themes", () => {
  for (const theme of ["light", "dark"] as const) {
    const styles = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => curveStyle(theme, index));
    expect(new Set(styles.map(({ colour }) => colour)).size).toBe(6);
    expect(new Set(styles.map(({ dash }) => dash)).size).toBe(8);
    expect(new Set(styles.map(({ mark }) => mark)).size).toBe(8);
    const page = lab({ light: "#ffffff", dark: "#12161b" }[theme]).l;
    for (const { colour } of styles) expect(Math.abs(lab(colour).l - page)).toBeGreaterThan(30);
  }
});

it("marks the computed points that keep their distance", () => {
  const points: [number, number][] = [0, 10, 70, 75, 150, 151].map((x) => [x, 1]);
  expect(marked(points).map(([x]) => x)).toEqual([0, 70, 150]);
  expect(marked(points, 0)).toEqual(points);
});

describe("counterpartOf", () => {
  const names = ["l1", "l2", "cosine", "rescored", "refined"];
  it("is the recommended measure, or the paper's beside that one", () => {
    expect(names.map((shown) => counterpartOf(shown, names))).toEqual([...Array(4).fill("refined"), "l1"]);
  });

  it("is any other where those are not known, and none where there is no other", () => {
    expect(counterpartOf("l1", ["l1", "l2", "cosine"])).toBe("l2");
    expect(counterpartOf("mine", ["cosine"])).toBe("cosine");
    expect(counterpartOf("l1", ["l1"])).toBeUndefined();
  });
});

describe("placeCurves", () => {
  const toX = (size: number) => 100 * Math.log10(size);
  const drawn = (other: Curve, x = toX, height = 100): DrawnCurve => ({
    ...other,
    points: other.n_edges.map((size, level) => [x(size), height * (1 - other.total_variation[level])]),
  });

  it("keeps the labels of many similar curves apart", () => {
    const names = ["l2", "proximity", "proximity-unclamped", "cosine", "projection", "inverse", "random"];
    const alike = names.map((name, index) => drawn(curve(name, [1, 0.9 - index / 500, 0]), (size) => 300 * Math.log10(size), 92));
    const placed = placeCurves(alike, 600, 92);
    const boxes = placed.map((label) => ({ span: labelSpan(label), y: label.labelY }));
    boxes.forEach((first, index) =>
      boxes.slice(index + 1).forEach((second) => {
        const beside = first.span[1] <= second.span[0] || second.span[1] <= first.span[0];
        expect(beside || Math.abs(first.y - second.y) >= 13).toBe(true);
      }),
    );
  });

  it("gives each label a height of its own, at its line", () => {
    const placed = placeCurves([curve("l2", [1, 0.5, 0]), curve("random", [1, 1, 0]), curve("inverse", [0, 0.5, 1])].map((each) => drawn(each)), 200, 100);
    expect(new Set(placed.map(({ labelY }) => labelY)).size).toBe(3);
    expect(placed.map(({ name }) => name)).toEqual(["l2", "random order", "inverse trace"]);
    const [l2] = placed;
    const lineX = l2.labelX + (l2.anchor === "start" ? -5 : 5);
    expect([-10, 0, 13]).toContain(Math.round(l2.labelY - 4 - lineX / 2)); // from the diagonal of 200 × 100 pixels
  });

  it("labels a flat line below its end", () => {
    expect(placeCurves([drawn(curve("l2", [1, 1, 1]))], 200, 100)[0]).toMatchObject({ labelX: 195, labelY: 17, anchor: "end" });
  });

  it("keeps a label off the trace's own line", () => {
    const near = (main: [number, number][]) => placeCurves([drawn(curve("l2", [1, 0.5, 0]))], 200, 100, main)[0];
    const alone = near([]);
    const struck: [number, number][] = [[0, alone.labelY - 4], [200, alone.labelY - 4]];
    const { labelY } = near(struck);
    expect(labelY - 10 >= alone.labelY - 4 || labelY + 3 <= alone.labelY - 4).toBe(true);
  });
});
