// The grid's cells, drawn past the renderer: of thousands of them few change their shade from one frame to the next.
import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { componentAt, placeAt } from "../logic/grid";
import { shadeAt, type Theme } from "../logic/scales";
import { nodeShades } from "../logic/shades";
import { nodeAt, nodeLabel, type Trace } from "../logic/trace";
import type { Toggles, ViewState } from "../protocol/types";

/** Gives each `.sw-cell` of the grid its shade at once, and its label when the size rests. */
export function useCells(grid: RefObject<HTMLElement | null>, viewState: ViewState, trace: Trace, toggles: Toggles, theme: Theme, moving: boolean): void {
  const shades = useMemo(() => nodeShades(viewState, trace), [viewState, trace]);
  const cells = useRef<HTMLElement[]>([]);
  const drawn = useRef<{ shades: Uint8Array; theme: Theme } | null>(null);

  useLayoutEffect(() => {
    if (!drawn.current) cells.current = [...(grid.current?.querySelectorAll<HTMLElement>(".sw-cell") ?? [])];
    const before = drawn.current?.theme === theme ? drawn.current.shades : null;
    cells.current.forEach((cell, index) => {
      if (before?.[index] !== shades[index]) cell.style.backgroundColor = shadeAt(theme, shades[index]);
    });
    drawn.current = { shades, theme };
  }, [shades, theme]);

  useLayoutEffect(() => {
    if (moving) return;
    cells.current.forEach((cell, index) => {
      const component = componentAt(placeAt(index, viewState.n_layers, viewState.n_heads), viewState.n_heads);
      const label = nodeLabel(nodeAt(viewState, trace, toggles, component));
      if (cell.getAttribute("aria-label") !== label) cell.setAttribute("aria-label", label);
    });
  }, [viewState, trace, toggles, moving]);
}
