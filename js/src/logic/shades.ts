// Shares as the shades they are drawn in, for the two pictures with a cell for every node and every position.
import type { ViewState } from "../protocol/types";
import { shadeIndex } from "./scales";
import { stripCells, type Trace } from "./trace";

const shadeOf = (count: number, total: number): number => shadeIndex(total > 0 ? count / total : 0);

/** [L, H + 1] in the order of the grid: the last layer first, each with its heads and then its MLP. */
export function nodeShades({ arrays, n_layers, n_heads }: ViewState, trace: Trace): Uint8Array {
  const shades = new Uint8Array(n_layers * (n_heads + 1));
  let place = 0;
  for (let layer = n_layers - 1; layer >= 0; layer -= 1) {
    for (let head = 0; head < n_heads; head += 1) {
      shades[place++] = shadeOf(trace.headEdges[layer * n_heads + head], arrays.head_total[layer]);
    }
    shades[place++] = shadeOf(trace.mlpEdges[layer], arrays.mlp_total[layer]);
  }
  return shades;
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
