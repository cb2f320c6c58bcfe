// From the numbers of prompts to pixels: the scales of the plots, and what lies under the pointer.
import { extent } from "d3-array";
import { scaleLinear, scaleLog, type ScaleContinuousNumeric } from "d3-scale";
import type { Axis } from "./prompts";

export type Scale = ScaleContinuousNumeric<number, number>;

export interface Frame {
  width: number;
  height: number;
}

export const margin = { left: 46, right: 14, top: 24, bottom: 36 };

/** The scale of an axis over the values that there are, with some room at both ends. */
export function scaleOf({ log }: Axis, values: Float32Array, n: number, range: [number, number]): Scale {
  const known = values.subarray(0, n).filter((value) => Number.isFinite(value) && (!log || value > 0));
  const [least = log ? 0.1 : 0, most = 1] = extent(known) as [number | undefined, number | undefined];
  if (log) return scaleLog().domain(least === most ? [least / 2, most * 2] : [least / 1.15, most * 1.15]).range(range);
  const room = (most - least || 1) * 0.03;
  return scaleLinear().domain([least - room, most + room]).range(range);
}

/** Numbers to write beside an axis: as many as there is room for. */
export function ticksOf(scale: Scale, { log }: Axis, room: number): number[] {
  const ticks = scale.ticks(Math.max(2, Math.floor(room / (log ? 40 : 64))));
  const shown = log ? ticks.filter((tick) => Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6)) : ticks;
  return shown.length >= 2 ? shown : scale.ticks(3);
}

/** The pixels of all prompts; not-a-number where one has no value. */
export function placed(values: Float32Array, n: number, scale: Scale): Float32Array {
  const pixels = new Float32Array(n);
  for (let row = 0; row < n; row += 1) pixels[row] = scale(values[row]);
  return pixels;
}

const reach = 12; // px

/** The prompt nearest to a place, or -1 where none is near. */
export function nearestRow(xs: Float32Array, ys: Float32Array, x: number, y: number): number {
  let [found, least] = [-1, reach ** 2];
  for (let row = 0; row < xs.length; row += 1) {
    const far = (xs[row] - x) ** 2 + (ys[row] - y) ** 2;
    if (far < least) [found, least] = [row, far];
  }
  return found;
}

/** Fewer digits than the numbers have: 3 that count. */
export const short = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "–");
