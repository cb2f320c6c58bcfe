// Which node the keys or the pointer are on.
import { useEffect, useState } from "preact/hooks";
import { componentAt, placeOf, type Place } from "../logic/grid";
import { parseKey } from "../logic/toggles";
import { nodeAt, strongestHead, type Node } from "../logic/trace";
import type { ViewState } from "../protocol/types";
import type { Shown } from "./useShown";

const rest = 200; // ms

export interface FocusedNode {
  node: Node;
  /** The key of the node under the pointer, or null. */
  pointed: string | null;
  /** The cell that takes the focus when the grid is entered. */
  current: Place;
  focus(place: Place): void;
  /** The node under the pointer, or null as it leaves. */
  point(key: string | null): void;
}

export function useFocusedNode(viewState: ViewState, { trace, toggles }: Shown): FocusedNode {
  const [current, setCurrent] = useState(() => placeOf(strongestHead(viewState), viewState.n_heads));
  const [pointed, point] = useState<string | null>(null);
  // What the pointer rested on stays, so that its details can be reached past the other cells.
  useEffect(() => {
    if (!pointed) return;
    const timer = setTimeout(() => setCurrent(placeOf(parseKey(pointed), viewState.n_heads)), rest);
    return () => clearTimeout(timer);
  }, [pointed, viewState.n_heads]);
  const focus = (place: Place) => {
    setCurrent(place);
    point(null); // the keys lead, until the pointer moves on
  };
  const component = pointed ? parseKey(pointed) : componentAt(current, viewState.n_heads);
  return { node: nodeAt(viewState, trace, toggles, component), current, focus, pointed, point };
}
