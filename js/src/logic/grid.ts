// Places in the grid of layers, and the components at them.
import type { Component } from "./toggles";

/** Column 0 is the layer's number, then the heads, then the MLP. */
export interface Place {
  layer: number;
  column: number;
}

export const placeOf = ({ layer, head }: Component, heads: number): Place => ({
  layer,
  column: head === "mlp" ? heads + 1 : head + 1,
});

/** The place of the n-th cell in the order of the page: the last layer first, its heads and then its MLP. */
export const placeAt = (index: number, layers: number, heads: number): Place => ({
  layer: layers - 1 - Math.floor(index / (heads + 1)),
  column: 1 + (index % (heads + 1)),
});

/** The component at a place; a layer's number stands for its MLP. */
export const componentAt = ({ layer, column }: Place, heads: number): Component => ({
  layer,
  head: column === 0 || column > heads ? "mlp" : column - 1,
});

/** Where a key leads from a place, or null for a key that does not move. */
export function keyTarget(key: string, control: boolean, { layer, column }: Place, layers: number, heads: number): Place | null {
  const targets: Record<string, Place> = {
    ArrowUp: { layer: Math.min(layers - 1, layer + 1), column },
    ArrowDown: { layer: Math.max(0, layer - 1), column },
    ArrowLeft: { layer, column: Math.max(0, column - 1) },
    ArrowRight: { layer, column: Math.min(heads + 1, column + 1) },
    Home: { layer: control ? layers - 1 : layer, column: 0 },
    End: { layer: control ? 0 : layer, column: heads + 1 },
  };
  return targets[key] ?? null;
}
