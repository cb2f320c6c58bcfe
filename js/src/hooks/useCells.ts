// The grid's cells, drawn past the renderer: of thousands of them few change their shade from one frame to the next.
import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { markNames, nodeIndex, type Mark } from "../logic/effects";
import { componentAt, placeAt } from "../logic/grid";
import { shadeAt, type Theme } from "../logic/scales";
import { inPageOrder } from "../logic/shades";
import type { Shading } from "../logic/shading";
import { nodeAt, nodeLabel, type Trace } from "../logic/trace";
import type { Toggles, ViewState } from "../protocol/types";
import type { Naming } from "./useNaming";

export interface Cells {
  shading: Shading;
  /** Of each component, in the order of the arrays. */
  marks: Mark[];
  /** The components that were picked out elsewhere, or null. */
  picked: ReadonlySet<string> | null;
  /** The groups of each component. */
  groups: Naming["byMember"];
  /** The one that is pointed at elsewhere. */
  pointed: string | null;
}

interface Drawn {
  shades: number[];
  marks: Mark[];
  theme: Theme;
}

/** Gives each `.sw-cell` of the grid its shade and mark at once, and its label when the size rests. */
export function useCells(grid: RefObject<HTMLElement | null>, viewState: ViewState, trace: Trace, toggles: Toggles, theme: Theme, moving: boolean, now: Cells): void {
  const shades = useMemo(() => inPageOrder(now.shading.shades, viewState), [now.shading, viewState]);
  const marks = useMemo(() => inPageOrder(now.marks, viewState), [now.marks, viewState]);
  const cells = useRef<HTMLElement[]>([]);
  const drawn = useRef<Drawn | null>(null);

  useLayoutEffect(() => {
    if (!drawn.current) cells.current = [...(grid.current?.querySelectorAll<HTMLElement>(".sw-cell") ?? [])];
    const before = drawn.current?.theme === theme ? drawn.current.shades : null;
    const marked = drawn.current?.marks;
    cells.current.forEach((cell, index) => {
      if (before?.[index] !== shades[index]) {
        const colour = shadeAt(theme, shades[index]);
        cell.style.backgroundColor = colour;
        cell.toggleAttribute("data-unknown", colour === "");
      }
      if (marked?.[index] !== marks[index]) set(cell, "data-mark", marks[index]);
    });
    drawn.current = { shades, marks, theme };
  }, [shades, marks, theme]);

  useLayoutEffect(() => {
    const { picked, pointed } = now;
    for (const cell of cells.current) {
      const key = cell.dataset.component ?? "";
      set(cell, "data-picked", picked ? String(picked.has(key)) : null);
      set(cell, "data-pointed", pointed === key ? "true" : null);
    }
  }, [now.picked, now.pointed]);

  useLayoutEffect(() => {
    if (moving) return;
    cells.current.forEach((cell, index) => {
      const component = componentAt(placeAt(index, viewState.n_layers, viewState.n_heads), viewState.n_heads);
      const mark = marks[index];
      const names = now.groups.get(cell.dataset.component ?? "")?.map(({ name }) => name);
      const words = [nodeLabel(nodeAt(viewState, trace, toggles, component)), now.shading.describe(nodeIndex(component, viewState.n_heads)), mark && markNames[mark], names && `in ${names.join(", ")}`];
      const label = words.filter(Boolean).join(", ");
      set(cell, "aria-label", label);
      set(cell, "title", label);
    });
  }, [viewState, trace, toggles, moving, now.shading, now.groups, marks]);
}

function set(cell: HTMLElement, name: string, value: string | null): void {
  if (value === null) cell.removeAttribute(name);
  else if (cell.getAttribute(name) !== value) cell.setAttribute(name, value);
}
