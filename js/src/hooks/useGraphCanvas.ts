// The two canvases of the graph: what the trace holds, which follows the hand, and over it what stands out.
import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { edgesUpTo, strokesOf, strokesUpTo, type Scene } from "../logic/graph";
import { highlight, painter, type Painter, type Palette } from "../logic/graphPaint";
import type { Theme } from "../logic/scales";
import { useForcedColours, useStyled } from "./useStyled";

export type GraphColours = Palette & Record<"text" | "surface" | "off" | "entering" | "chosen" | "glow", string>;

const names: Record<keyof GraphColours, string> = {
  ghost: "--graph-ghost",
  residual: "--graph-residual",
  attention: "--graph-attention",
  mlp: "--graph-mlp",
  entering: "--graph-entering",
  chosen: "--graph-chosen",
  glow: "--graph-glow",
  text: "--text",
  surface: "--surface",
  off: "--off",
};

/** The style sheet's colours as they are at an element: of the theme, or the reader's own. */
export function coloursAt(element: Element): GraphColours {
  const style = getComputedStyle(element);
  const read = Object.entries(names).map(([name, property]) => [name, style.getPropertyValue(property).trim()]);
  return Object.fromEntries(read) as Record<keyof GraphColours, string>;
}

/** The share of the edges in the trace that count as just entering. */
const entering = 0.04;
const fewestEntering = 3;
const mostEntering = 120;

export interface GraphCanvas {
  trace: RefObject<HTMLCanvasElement | null>;
  over: RefObject<HTMLCanvasElement | null>;
}

export function useGraphCanvas(scene: Scene, theme: Theme, nEdges: number, moving: boolean, chosen: readonly number[]): GraphCanvas {
  const trace = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const drawing = useRef<{ scene: Scene; colours: GraphColours; painter: Painter | null } | null>(null);
  const forced = useForcedColours();
  const styled = useStyled(trace, names.attention);
  const { strokes, layout } = scene;
  const ratio = Math.min(2, globalThis.devicePixelRatio || 1);

  useLayoutEffect(() => {
    if (!trace.current) return;
    const colours = coloursAt(trace.current);
    drawing.current = { scene, colours, painter: painter(trace.current, strokes, layout, colours, ratio) };
  }, [scene, theme, forced, styled, ratio]);

  useLayoutEffect(() => {
    let frame = 0;
    const count = strokesUpTo(strokes, nEdges);
    const draw = () => {
      if (drawing.current?.painter?.show(count) === false) frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [scene, theme, forced, styled, ratio, nEdges]);

  // What enters now, while the size moves; else what is pointed at.
  const shown = useMemo(() => {
    if (!moving) return strokesOf(scene, chosen);
    const to = edgesUpTo(scene, nEdges);
    const from = edgesUpTo(scene, Math.max(0, Math.min(nEdges - fewestEntering, (1 - entering) * nEdges)));
    return strokesOf(scene, Array.from(scene.shown.subarray(Math.max(from, to - mostEntering), to)));
  }, [scene, moving, nEdges, chosen]);
  useLayoutEffect(() => {
    if (!over.current || !drawing.current) return;
    const { colours } = drawing.current;
    const { entering: line, chosen: chosenLine, glow } = colours;
    highlight(over.current, shown, layout, moving ? { line, glow: line } : { line: chosenLine, glow }, ratio, moving);
  }, [scene, theme, forced, styled, ratio, shown, moving]);
  return { trace, over };
}
