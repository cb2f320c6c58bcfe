import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { rampBytes, type Theme } from "../logic/scales";
import { stripShades } from "../logic/shades";
import type { Trace } from "../logic/trace";
import type { ViewState } from "../protocol/types";

/** The canvas of the strip, one pixel a cell and drawn large by the style sheet: the strip of any prompt follows the hand. */
export function useStripCanvas(viewState: ViewState, trace: Trace, theme: Theme, first: number, shown: number): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ramp = useMemo(() => rampBytes(theme), [theme]);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(shown, viewState.n_layers);
    stripShades(viewState, trace, first, shown).forEach((shade, place) => {
      image.data.set(ramp.subarray(4 * shade, 4 * shade + 4), 4 * place);
    });
    context.putImageData(image, 0, 0);
  }, [viewState, trace, ramp, first, shown]);
  return canvas;
}
