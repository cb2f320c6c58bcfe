import { useMemo, useRef } from "preact/hooks";
import { sizeScale, sizeTicks, whereItBegins, type Axis, type Spacing } from "../logic/axis";
import { placeLandmarks } from "../logic/landmarks";
import { curveOutline, plotMargin, type Plot } from "../logic/plot";
import { leastOf, mostOf, type Quantity } from "../logic/quantities";
import type { ViewState } from "../protocol/types";

const narrowest = 120; // px
const labelWidth = (label: string): number => label.length * 6.3;

/** How a person wants to see the curve. */
export interface Look {
  quantity: Quantity;
  spacing: Spacing;
  /** Whether the sizes at which nothing happens yet have their width, too. */
  whole: boolean;
}

/**
 * The plot in a given width. It is the same object until the trace, the look or the width changes: what is drawn from it
 * lasts a drag. While the size moves, the axis stays as it is under the hand, whatever levels arrive.
 */
export function usePlot(viewState: ViewState, outerWidth: number, { quantity, spacing, whole }: Look, moving: boolean): Plot & { foldable: boolean } {
  const width = Math.max(narrowest, outerWidth - plotMargin.left - plotMargin.right);
  const nEdges = viewState.n_edges;
  const held = useRef({ nEdges, begins: 1 });
  if (!moving || held.current.nEdges !== nEdges) held.current = { nEdges, begins: whereItBegins(viewState) };
  const { begins } = held.current;
  const axis = useMemo((): Axis => ({ nEdges, start: whole ? 1 : begins, spacing }), [nEdges, whole, begins, spacing]);
  const scale = useMemo(() => sizeScale(axis, width), [axis, width]);
  const ticks = useMemo(() => sizeTicks(axis, scale), [axis, scale]);
  const landmarks = useMemo(() => placeLandmarks(viewState.landmarks, scale, width, labelWidth), [viewState, scale, width]);
  const drawn = useMemo(() => {
    const ends = { most: mostOf(quantity, viewState.arrays, axis.start), least: leastOf(quantity, viewState.arrays, axis.start) };
    return { ...ends, curve: curveOutline(viewState, { axis, scale, quantity, ...ends }) };
  }, [viewState, axis, scale, quantity]);
  return useMemo(
    () => ({ width, axis, scale, ticks, quantity, landmarks, ...drawn, foldable: begins > 1 }),
    [width, axis, scale, ticks, quantity, landmarks, drawn, begins],
  );
}
