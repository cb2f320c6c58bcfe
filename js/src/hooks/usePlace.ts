// Which node the keys or the pointer are on.
import { useState } from "preact/hooks";
import { componentAt, placeOf, type GridPlace } from "../logic/grid";
import { parseKey } from "../logic/toggles";
import { nodeAt, strongestHead, type Node } from "../logic/trace";
import type { Bundle } from "../protocol/state";
import type { Shown } from "./useShown";

export interface Place {
  node: Node;
  /** The cell that takes the focus when the grid is entered. */
  current: GridPlace;
  focus(place: GridPlace): void;
  /** The node under the pointer, or null as it leaves. */
  point(key: string | null): void;
}

export function usePlace(bundle: Bundle, { trace, toggles }: Shown): Place {
  const [current, setCurrent] = useState(() => placeOf(strongestHead(bundle), bundle.n_heads));
  const [pointed, point] = useState<string | null>(null);
  const focus = (place: GridPlace) => {
    setCurrent(place);
    point(null); // the keys lead, until the pointer moves on
  };
  return { node: nodeAt(bundle, trace, toggles, pointed ? parseKey(pointed) : componentAt(current, bundle.n_heads)), current, focus, point };
}
