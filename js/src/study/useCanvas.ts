// A canvas as sharp as the screen, drawn again when what it shows, the theme or the reader's colours change.
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useForcedColours, useStyled } from "../hooks/useStyled";
import type { Theme } from "../logic/scales";

export interface Paint {
  context: CanvasRenderingContext2D;
  /** A colour of the style sheet, by the name of its property. */
  colour(name: string): string;
}

export function useCanvas(width: number, height: number, theme: Theme, draw: (paint: Paint) => void, watched: readonly unknown[]): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null);
  const styled = useStyled(canvas, "--accent");
  const forced = useForcedColours();
  useLayoutEffect(() => {
    const element = canvas.current;
    const context = element?.getContext?.("2d");
    if (!element || !context) return;
    const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (element.width !== across || element.height !== down) [element.width, element.height] = [across, down];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(element);
    draw({ context, colour: (name) => style.getPropertyValue(name).trim() });
  }, [width, height, theme, styled, forced, ...watched]);
  return canvas;
}
