import { describe, expect, it } from "vitest";
import { countsAt, isComputed, largest, leading, locate, neighbouringLevel, rowAt, valueAt } from "../src/logic/levels";

const levels = Int32Array.of(1, 10, 100);
const errors = Float32Array.of(1, 0.5, 0);

describe("locate", () => {
  it("stands on a level where there is one", () => {
    expect(locate(levels, 10)).toEqual({ lower: 1, upper: 1, mix: 0 });
    expect(isComputed(levels, 10)).toBe(true);
    expect(isComputed(levels, 11)).toBe(false);
  });

  it("lies between two levels in log(edges)", () => {
    const { lower, upper, mix } = locate(levels, Math.sqrt(1000));
    expect([lower, upper]).toEqual([1, 2]);
    expect(mix).toBeCloseTo(0.5);
  });

  it("stays within the levels", () => {
    expect(locate(levels, 100)).toEqual({ lower: 2, upper: 2, mix: 0 });
    expect(locate(Int32Array.of(5, 50), 2)).toEqual({ lower: 0, upper: 0, mix: 0 });
  });
});

describe("reading at a position", () => {
  it("interpolates values, rows and counts", () => {
    const half = { lower: 0, upper: 1, mix: 0.5 };
    expect(valueAt(errors, half)).toBe(0.75);
    expect([...rowAt(Float32Array.of(0, 1, 1, 0), half, 2)]).toEqual([0.5, 0.5]);
    expect([...countsAt(Int32Array.of(0, 4, 3, 4), half, 2)]).toEqual([2, 4]);
  });

  it("keeps an infinite value infinite", () => {
    expect(valueAt(Float32Array.of(Infinity, 1), { lower: 0, upper: 1, mix: 0.5 })).toBe(Infinity);
    expect(valueAt(Float32Array.of(1, Infinity), { lower: 0, upper: 1, mix: 0 })).toBe(1);
  });
});

it("steps to the neighbouring levels", () => {
  expect(neighbouringLevel(levels, 10, 1)).toBe(100);
  expect(neighbouringLevel(levels, 10, -1)).toBe(1);
  expect(neighbouringLevel(levels, 50, -1)).toBe(10);
  expect(neighbouringLevel(levels, 100, 1)).toBe(100);
  expect(neighbouringLevel(levels, 1, -1)).toBe(1);
});

it("ranks values, the first of equals first", () => {
  expect(leading(Float32Array.of(0.1, 0.4, 0.4, 0.05), 3)).toEqual([1, 2, 0]);
  expect(largest(Float32Array.of(0.1, 0.4, 0.4))).toBe(1);
});
