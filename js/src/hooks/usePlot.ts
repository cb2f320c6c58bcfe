import { useMemo, useRef } from "preact/hooks";
import { placeLandmarks, type PlacedLandmark } from "../logic/landmarks";
import { curveOutline, labelHeight, plotMargin, type Plot } from "../logic/plot";
import { sizeScale } from "../logic/scales";
import type { ViewState } from "../protocol/types";

const narrowest = 120; // px
const labelWidth = (label: string): number => label.length * 6.3;

/** The plot in a given width. It is the same object until the trace or the width changes: what is drawn from it lasts a drag. */
export function usePlot(viewState: ViewState, outerWidth: number, caption: string): Plot {
  const width = Math.max(narrowest, outerWidth - plotMargin.left - plotMargin.right);
  const scale = useMemo(() => sizeScale(viewState.n_edges, width), [viewState, width]);
  const landmarks = useMemo(
    () => placeLandmarks(viewState.landmarks, scale, width, labelWidth(caption), labelWidth),
    [viewState, scale, width, caption],
  );
  const curve = useMemo(() => curveOutline(viewState, scale), [viewState, scale]);
  const top = 8 + labelHeight * useLabelLines(landmarks, `${width} ${viewState.position} ${viewState.prompt}`);
  return useMemo(() => ({ width, top, scale, landmarks, curve }), [width, top, scale, landmarks, curve]);
}

/** How many lines the labels have: as many as under another measure before, so that a change moves nothing below. */
function useLabelLines(landmarks: readonly PlacedLandmark[], place: string): number {
  const most = useRef({ place, lines: 1 });
  const before = most.current.place === place ? most.current.lines : 1;
  most.current = { place, lines: Math.max(before, ...landmarks.map(({ line }) => line + 1)) };
  return most.current.lines;
}
