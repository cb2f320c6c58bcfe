// Shares as the shades they are drawn in, for the two pictures with a cell for every node and every position.
import type { ViewState } from "../protocol/types";
import { shadeIndex } from "./scales";
import { stripCells, type Trace } from "./trace";

/** From the order of the arrays, [L, H + 1], to that of the grid: the last layer first. */
export function inPageOrder<Value>(values: ArrayLike<Value>, { n_layers, n_heads }: ViewState): Value[] {
  const width = n_heads + 1;
  return Array.from(values, (_, place) => values[(n_layers - 1 - Math.floor(place / width)) * width + (place % width)]);
}

/** [L, count] of the strip's cells from `first` on, the last layer first. */
export function stripShades(viewState: ViewState, trace: Trace, first: number, count: number): Uint8Array {
  const cells = stripCells(viewState);
  const shades = new Uint8Array(viewState.n_layers * count);
  for (let place = 0; place < shades.length; place += 1) {
    const layer = viewState.n_layers - 1 - Math.floor(place / count);
    shades[place] = shadeIndex(trace.strip[layer * cells + first + (place % count)] / 255);
  }
  return shades;
}
