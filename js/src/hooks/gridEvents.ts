// What the pointer, the focus and the keys do in the grid of layers: one set of handlers for all of its cells.
import { keyTarget, type Place } from "../logic/grid";
import type { FocusedNode } from "./useFocusedNode";

interface Grid {
  layers: number;
  heads: number;
  focused: FocusedNode;
  /** A cell is clicked, or pressed by key. */
  onToggle(key: string): void;
  /** A layer's number is clicked. */
  onLayer(layer: number): void;
}

/** The handlers for the element with the role "grid". */
export function gridEvents({ layers, heads, focused, onToggle, onLayer }: Grid) {
  const point = (event: Event) => {
    const key = attribute(event, "component") ?? attribute(event, "node");
    if (key !== undefined) focused.point(key);
  };
  return {
    onPointerOver: point,
    onClick(event: MouseEvent) {
      const key = attribute(event, "component");
      const layer = attribute(event, "layer");
      if (key !== undefined) onToggle(key);
      else if (layer !== undefined) onLayer(Number(layer));
    },
    onFocusIn(event: FocusEvent) {
      const place = attribute(event, "place")?.split(".").map(Number);
      if (place) focused.focus({ layer: place[0], column: place[1] });
      else point(event);
    },
    onKeyDown(event: KeyboardEvent) {
      if (attribute(event, "place") === undefined || event.metaKey || event.altKey) return;
      const key = attribute(event, "component");
      const target = keyTarget(event.key, event.ctrlKey, focused.current, layers, heads);
      if (target) focusPlace(event.currentTarget as HTMLElement, target);
      else if (key !== undefined && (event.key === "Enter" || event.key === " ")) onToggle(key);
      else return;
      event.preventDefault();
    },
  };
}

/** A key moves it here, so it has to be seen: Safari goes by what had the focus before, which a click may have given. */
const focusPlace = (grid: HTMLElement, { layer, column }: Place): void =>
  grid.querySelector<HTMLElement>(`[data-place="${layer}.${column}"]`)?.focus({ focusVisible: true });

/** A data attribute of the element an event is about, or of one around it. */
const attribute = (event: Event, name: string): string | undefined =>
  (event.target as Element).closest<HTMLElement>(`[data-${name}]`)?.dataset[name];
