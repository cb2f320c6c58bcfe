import { describe, expect, it } from "vitest";
import { difference, meanCurve, meanUse } from "../src/study/aggregates";
import { count, held, isEmpty, noFilters, rest, rowsOf, type About, type Filters } from "../src/study/filters";
import { shownRows, sorted } from "../src/study/order";
import { nearestRow, placed, scaleOf, ticksOf } from "../src/study/plots";
import { axes, criterionName, noPrompts, valuesOf, valuesWithCounts, withRows, type Prompts } from "../src/study/prompts";
import { makePage, makeRows, makeStudy } from "./studyFixture";

const study = makeStudy();
const about: About = { study, run: 0, importance: 0, criterion: 0 };

function prompts(): Prompts {
  let found = noPrompts(study);
  for (const rows of makePage().rows) found = withRows(found, rows, study);
  return found;
}

const rowsFor = (filters: Partial<Filters>): number[] => rowsOf(held(prompts(), { ...noFilters, ...filters }, about));

describe("the prompts", () => {
  it("keep their numbers, whatever the portions in which they come", () => {
    const whole = withRows(noPrompts(study), makeRows(0, 6), study);
    const inParts = [makeRows(0, 1), makeRows(1, 4), makeRows(4, 6)].reduce((all, rows) => withRows(all, rows, study), noPrompts(study));
    expect(inParts.ids).toEqual(whole.ids);
    for (const name of ["numbers", "curves", "areas"] as const) {
      whole[name].forEach((column, at) => expect(inParts[name][at].subarray(0, column.length)).toEqual(column));
    }
    whole.use.flat().forEach((column, at) => expect(inParts.use.flat()[at].subarray(0, column.length)).toEqual(column));
    whole.necessary.flat().forEach((column, at) => expect(inParts.necessary.flat()[at].subarray(0, column.length)).toEqual(column));
  });

  it("have axes of their columns, of the necessary size and of the mean error", () => {
    expect(axes(study, "nucleus60").map(({ label }) => label)).toEqual(["entropy, in nats", "tokens", "necessary s, for the 60 % nucleus", "mean TV over sizes"]);
    expect(Array.from(valuesOf(prompts(), study, "area", 0, 0).subarray(0, 2))).toEqual([Math.fround(0.5), Math.fround((0.9 + 0.5 + 0) / 3)].map((value) => expect.closeTo(value, 5)));
    expect(["top1", "top5", "tv0.1"].map(criterionName)).toEqual(["the top token", "the five leading tokens", "TV ≤ 0.1"]);
  });

  it("are counted by their values, unless all have the same", () => {
    expect(valuesWithCounts(["b", "a", "b"])).toEqual([["b", 2], ["a", 1]]);
    expect(valuesWithCounts(["a", "a"])).toEqual([]);
  });
});

describe("filters", () => {
  it("hold everything unless something is asked", () => {
    expect(isEmpty(noFilters)).toBe(true);
    expect(rowsFor({})).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("search ids, texts, kinds and next tokens, in any case", () => {
    expect(rowsFor({ search: "TEXT 3" })).toEqual([3]);
    expect(rowsFor({ search: "odd" })).toEqual([1, 3, 5]);
    expect(rowsFor({ search: " paris 4" })).toEqual([4]);
  });

  it("hold what any value of a column, and all that is asked at once, leave", () => {
    expect(rowsFor({ kinds: ["even"] })).toEqual([0, 2, 4]);
    expect(rowsFor({ kinds: ["even", "odd"] })).toEqual([0, 1, 2, 3, 4, 5]);
    expect(rowsFor({ kinds: ["even"], search: "text 3" })).toEqual([]);
    expect(rowsFor({ models: [1] })).toEqual([]);
  });

  it("hold what lies in a box, its edges included, and never what has no value", () => {
    const box = { x: "full_entropy", y: "necessary", xs: [1, 4] as [number, number], ys: [0.1, 1] as [number, number] };
    expect(rowsFor({ box })).toEqual([1, 2, 3, 4]);
    expect(rowsFor({ box: { ...box, ys: [0.05, 0.1] } })).toEqual([1, 3]); // 0.1 in single precision is 0.1 here
    expect(rowsFor({ box: { ...box, xs: [-1, 9], ys: [0, 1] } })).not.toContain(5);
  });

  it("hold curves that pass through a box", () => {
    expect(rowsFor({ passing: { sizes: [1, 1], errors: [0.45, 0.55] } })).toEqual([0, 1, 2, 3, 4]);
    expect(rowsFor({ passing: { sizes: [0, 0], errors: [0.95, 1] } })).toEqual([0, 2, 4]);
    expect(rowsFor({ passing: { sizes: [0, 2], errors: [0.95, 1] } })).toEqual([0, 2, 4]);
  });

  it("hold prompts that use a head or an MLP", () => {
    expect(rowsFor({ using: [{ model: 0, component: 2, size: 1 }] })).toEqual([0, 2, 4]);
    expect(rowsFor({ using: [{ model: 0, component: 2, size: 1 }, { model: 0, component: 0, size: 1 }] })).toEqual([2, 4]);
    expect(rowsFor({ using: [{ model: 1, component: 2, size: 1 }] })).toEqual([]);
  });

  it("leave the others as their rest", () => {
    const mask = held(prompts(), { ...noFilters, kinds: ["even"] }, about);
    expect([count(mask), count(rest(mask)), rowsOf(rest(mask))]).toEqual([3, 3, [1, 3, 5]]);
  });
});

describe("aggregates", () => {
  it("are means and quartiles of the prompts that have a curve", () => {
    const all = prompts();
    const curve = meanCurve(all.curves[0], 3, new Uint8Array(6).fill(1));
    expect(curve.n).toBe(5); // one failed
    expect(Array.from(curve.mean)).toEqual([(3 * 1 + 2 * 0.9) / 5, 0.5, 0].map((value) => expect.closeTo(value, 6)));
    expect([curve.lower[0], curve.upper[0]]).toEqual([expect.closeTo(0.9, 3), 1]);
    expect(meanCurve(all.curves[0], 3, new Uint8Array(6)).mean[0]).toBeNaN();
  });

  it("say how many prompts use a component, and how much of it they hold", () => {
    const all = prompts();
    const every = new Uint8Array(6).fill(1);
    expect(Array.from(meanUse(all, all.use[0][1], every, 0, "use"))).toEqual([4 / 5, 0, 3 / 5, 0, 0, 0].map((value) => expect.closeTo(value, 6)));
    expect(meanUse(all, all.use[0][1], every, 0, "density")[2]).toBeCloseTo(3 / 5, 6);
    expect(meanUse(all, all.use[0][1], every, 1, "use")[0]).toBeNaN();
  });

  it("bound a difference of means by resampling, the same each time", () => {
    const width = 2;
    const curves = Float32Array.from({ length: 80 }, (_, at) => (at < 40 ? 0.6 : 0.2) + (at % 2 ? 0 : 0.05 * Math.sin(at)));
    const [first, second] = [Array.from({ length: 20 }, (_, row) => row), Array.from({ length: 20 }, (_, row) => 20 + row)];
    const run = () => {
      const steps = difference(curves, width, first, second);
      for (;;) {
        const step = steps.next();
        if (step.done) return step.value;
      }
    };
    const found = run();
    expect(found).toEqual(run());
    expect(found.mean[1]).toBeCloseTo(0.4, 6);
    expect([found.low[1], found.high[1]]).toEqual([expect.closeTo(0.4, 6), expect.closeTo(0.4, 6)]);
    expect(found.low[0]).toBeLessThan(found.mean[0]);
    expect(found.high[0]).toBeGreaterThan(found.mean[0]);
    // The interval of a mean is about 2 x 1.96 standard errors wide: here of two means of 20.
    const spread = (rows: number[]) => {
      const mean = rows.reduce((sum, row) => sum + curves[row * width], 0) / rows.length;
      return rows.reduce((sum, row) => sum + (curves[row * width] - mean) ** 2, 0) / rows.length / rows.length;
    };
    const expected = 2 * 1.96 * Math.sqrt(spread(first) + spread(second));
    expect((found.high[0] - found.low[0]) / expected).toBeGreaterThan(0.8);
    expect((found.high[0] - found.low[0]) / expected).toBeLessThan(1.2);
  });
});

describe("the table", () => {
  it("is sorted by texts and numbers, what has none last, and shows a group alone", () => {
    const all = prompts();
    expect(Array.from(sorted(all, { key: "full_entropy", descending: true }, about))).toEqual([4, 3, 2, 1, 0, 5]);
    expect(Array.from(sorted(all, { key: "kind", descending: false }, about))).toEqual([0, 2, 4, 1, 3, 5]);
    const order = sorted(all, { key: "necessary", descending: false }, about);
    expect(Array.from(order)).toEqual([1, 3, 0, 2, 4, 5]);
    expect(Array.from(shownRows(order, Uint8Array.from([1, 0, 0, 1, 0, 1])))).toEqual([3, 0, 5]);
  });
});

describe("the plot", () => {
  it("finds the prompt under the pointer, and none far away", () => {
    const [xs, ys] = [Float32Array.from([0, 100, NaN]), Float32Array.from([0, 50, 50])];
    expect([nearestRow(xs, ys, 97, 52), nearestRow(xs, ys, 50, 25)]).toEqual([1, -1]);
  });

  it("has scales over all values, also where there is one alone or none", () => {
    const axis = (log: boolean) => ({ key: "", label: "", log });
    for (const log of [true, false]) {
      for (const values of [[3], [0.001, 1, 0.1], []]) {
        const scale = scaleOf(axis(log), Float32Array.from(values), values.length, [0, 300]);
        const pixels = placed(Float32Array.from(values), values.length, scale);
        expect(Array.from(pixels).every((pixel) => pixel >= 0 && pixel <= 300)).toBe(true);
        expect(ticksOf(scale, axis(log), 300).length).toBeGreaterThan(1);
      }
    }
  });
});
