// What is switched in the graph: positions by a mark, single edges by a line of their own.
import { layerY, spotX, strokesOf, type Scene } from "./graph";
import { outline } from "./graphPaint";
import { parseName, positionKey, toggleState } from "./toggles";
import type { Toggles } from "../protocol/types";

const states = ["off", "on"] as const;
type Switched = (typeof states)[number];

export interface SwitchedMarks {
  spots: { key: string; x: number; y: number; state: Switched }[];
  /** As the `d` of a path; "" where there are none. */
  edges: Record<Switched, string>;
}

export function switchedMarks(scene: Scene, toggles: Toggles): SwitchedMarks {
  const { layout, edges, stateOf } = scene;
  const named = Object.keys(toggles).flatMap((key) => parseName(key) ?? []).filter(({ target }) => target !== null);
  const spots = named.filter(({ part, source, target }) => part === null && source === null && layout.columns[target!] >= 0);
  const single = new Set(named.filter(({ part, source }) => part !== null || source !== null).map(({ layer, target }) => positionKey(layer, target!)));
  const lines = (state: Switched): string => {
    if (single.size === 0) return "";
    const of = Array.from(edges.part.keys()).filter((edge) => single.has(positionKey(edges.layer[edge], edges.target[edge])) && stateOf(edge) === state);
    return outline(strokesOf(scene, of), layout);
  };
  return {
    spots: spots.map(({ layer, target }) => {
      const key = positionKey(layer, target!);
      return { key, x: spotX(layout, { layer, token: target! }), y: layerY(layout, layer), state: toggleState(toggles, key) as Switched };
    }),
    edges: { off: lines("off"), on: lines("on") },
  };
}

/** As on screen: off is dashed or hatched, on is drawn in ink; a mark is a square. */
export function switchedSvg({ spots, edges }: SwitchedMarks, { text, surface, off }: Record<"text" | "surface" | "off", string>): string {
  const colours = { off, on: text };
  const lines = states.map((state) => edges[state] && `<path class="${state}" d="${edges[state]}" fill="none" stroke="${colours[state]}" stroke-width="2"${state === "off" ? ' stroke-dasharray="4 3"' : ""}/>`);
  const marks = spots.map(({ x, y, state }) => {
    const hatch = state === "off" ? `<path d="M-4.5 0 0-4.5M-4.5 4.5 4.5-4.5M0 4.5 4.5 0"/>` : "";
    return `<g class="${state}" transform="translate(${x.toFixed(1)} ${y.toFixed(1)})" stroke="${colours[state]}" stroke-width="1.6"><rect x="-4.5" y="-4.5" width="9" height="9" rx="2" fill="${surface}"/>${hatch}</g>`;
  });
  return [...lines, ...marks].join("");
}
