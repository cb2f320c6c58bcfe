import { describe, expect, it } from "vitest";
import * as scales from "../src/logic/scales";

describe("numbers", () => {
  it("formats sizes, probabilities and distances", () => {
    expect([0.278, 0.0123, 1 / 12_612, 1].map(scales.formatSize)).toEqual(["0.278", "0.0123", "0.000079", "1"]);
    expect([0.67, 0.0994, 0.00001, 0].map(scales.formatProbability)).toEqual(["0.67", "0.099", "<0.001", "0.000"]);
    expect([0.117, 12.34, Infinity].map(scales.formatDistance)).toEqual(["0.117", "12.3", "∞"]);
  });

  it("writes changes with their sign, and a real minus", () => {
    expect([0.014, -0.0123, 0.0001].map(scales.formatChange)).toEqual(["+0.014", "\u22120.012", "0"]);
    expect([-41, 1204].map(scales.formatDifference)).toEqual(["\u221241", "+1,204"]);
  });
});

describe("shades", () => {
  it("tell a single edge from none", () => {
    expect(scales.shade("light", 0)).not.toBe(scales.shade("light", 0.001));
    expect(scales.shade("light", 1)).not.toBe(scales.shade("dark", 1));
    expect(scales.shade("dark", 2)).toBe(scales.shade("dark", 1));
  });
});
