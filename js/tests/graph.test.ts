import { expect, it } from "vitest";
import { arcAt, bend, columnX, edgesInto, edgesUpTo, graphEdges, graphLayout, graphScene, lastWindow, layerY, Shape, spotAt, spotX, strokesOf, strokesUpTo } from "../src/logic/graph";
import { graphSvg } from "../src/logic/graphPaint";
import { switchedMarks, switchedSvg } from "../src/logic/graphSwitched";
import { decodeViewState } from "../src/protocol/decode";
import type { Toggles } from "../src/protocol/types";
import { makeState, small, type Shape as Made } from "./fixture";

const viewStateOf = (shape: Made = small) => decodeViewState(makeState(shape).view_state)!;
const sceneOf = (shape: Made = small, toggles: Toggles = {}, width = 700, first = Infinity) => {
  const viewState = viewStateOf(shape);
  const edges = graphEdges(viewState);
  return graphScene(viewState, edges, graphLayout(viewState, width, first), toggles);
};
const long: Made = { layers: 4, heads: 3, tokens: Array.from({ length: 60 }, (_, index) => ` w${index}`), levels: 8 };

it("draws every edge once, in the order of the trace, and an arc again only where it grows wider", () => {
  const { edges, strokes, ranks, arcs } = sceneOf();
  expect(Array.from(ranks)).toEqual(Array.from({ length: edges.count }, (_, rank) => rank));
  expect(Array.from(strokes.rank.subarray(0, strokes.count))).toEqual([...strokes.rank.subarray(0, strokes.count)].sort((a, b) => a - b));
  const heads = Array.from(edges.part).filter((part) => part < small.heads).length;
  expect(arcs.flat().flatMap((arc) => arc.edges).length).toBe(heads);
  const others = Array.from(strokes.shape.subarray(0, strokes.count)).filter((shape) => shape === Shape.residual || shape === Shape.mlp).length;
  expect(others).toBe(edges.count - heads);
  expect(strokes.count).toBeLessThanOrEqual(edges.count);
  for (const arc of arcs.flat()) {
    expect(arc.weight).toBeCloseTo(arc.edges.reduce((sum, edge) => sum + edges.weight[edge], 0), 5);
    expect(new Set(arc.edges.map((edge) => `${edges.layer[edge]} ${edges.source[edge]} ${edges.target[edge]}`)).size).toBe(1);
  }
});

it("has of a smaller trace a beginning of what it has of a larger one", () => {
  const scene = sceneOf();
  for (let nEdges = 0; nEdges <= scene.edges.count; nEdges += 1) {
    expect(edgesUpTo(scene, nEdges)).toBe(nEdges);
    expect(strokesUpTo(scene.strokes, nEdges)).toBeGreaterThanOrEqual(strokesUpTo(scene.strokes, nEdges - 1));
  }
});

it("leaves out what is off and begins with what is on", () => {
  const heads = (part: number, layer: number) => (edges: ReturnType<typeof graphEdges>) => Array.from(edges.part.keys()).filter((edge) => edges.part[edge] === part && edges.layer[edge] === layer);
  const scene = sceneOf(small, { "1.0": "off", "0.mlp": "on" });
  const [off, on] = [heads(0, 1)(scene.edges), heads(small.heads + 1, 0)(scene.edges)];
  expect(off.length).toBeGreaterThan(0);
  expect(scene.shown.length).toBe(scene.edges.count - off.length);
  expect(edgesUpTo(scene, 0)).toBe(on.length);
  expect(Array.from(scene.shown.subarray(0, on.length))).toEqual(on);
});

it("keeps the last token in sight where not all fit", () => {
  const viewState = viewStateOf(long);
  for (const first of [0, 7, Infinity]) {
    const layout = graphLayout(viewState, 200, first);
    expect(layout.tokens.at(-1)).toBe(59);
    expect(layout.tokens[0]).toBe(Math.min(first, lastWindow(60, 200)));
    expect(layout.width).toBeLessThanOrEqual(201);
    const scene = graphScene(viewState, graphEdges(viewState), layout, {});
    for (const edge of scene.shown) expect([scene.edges.source[edge], scene.edges.target[edge]].every((token) => layout.tokens.includes(token))).toBe(true);
  }
  expect(graphLayout(viewState, 2000, 0).tokens.length).toBe(60);
});

it("finds the node and the arc under a point", () => {
  const scene = sceneOf();
  const { layout, edges, arcs } = scene;
  expect(spotAt(layout, columnX(layout, 1) + 2, layerY(layout, 0) - 2, 6)).toEqual({ layer: 0, token: 1 });
  expect(spotAt(layout, columnX(layout, 1) + 9, layerY(layout, 0), 6)).toBeNull();
  for (const arc of arcs.flat().filter(({ source, target }) => source !== target)) {
    const along = 0.5;
    const at = ([one, two]: readonly [number, number]) => 3 * one * along * (1 - along) ** 2 + 3 * two * along ** 2 * (1 - along) + along ** 3;
    const [from, to] = [columnX(layout, arc.source), columnX(layout, arc.target)];
    // The fixture's blocks are parallel: an arc rises through the whole layer.
    const [x, y] = [from + at(bend.x) * (to - from), layerY(layout, arc.layer - 1) - at(bend.y) * layout.pitchY];
    expect(arcAt(scene, edges.count, x, y, 4)).toBe(arc);
    expect(arcAt(scene, Math.min(...arc.edges), x, y, 1.5)).not.toBe(arc);
  }
});

it("lists the edges into a node, the heaviest first", () => {
  const { edges } = sceneOf();
  const into = edgesInto(edges, { layer: 1, token: 2 });
  expect(into.length).toBe(small.heads * 3 + 2);
  for (let place = 1; place < into.length; place += 1) expect(edges.weight[into[place - 1]]).toBeGreaterThanOrEqual(edges.weight[into[place]]);
});

it("draws some edges alone, without those of tokens out of sight", () => {
  const scene = sceneOf(long, {}, 200);
  const all = Array.from(scene.edges.part.keys());
  expect(strokesOf(scene, all).count).toBe(scene.shown.length);
});

it("writes an SVG in which token text is text, with a line for each stroke", () => {
  const { strokes, layout } = sceneOf();
  const palette = { ghost: "#eee", residual: "#777", attention: "#00f", mlp: "#808", text: "#000", surface: "#fff" };
  const svg = graphSvg(strokes, strokes.count, layout, palette, { tokens: ["<script>", "a&b\u0000", '"'], prediction: "<b>", title: "“x”" });
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
  expect(parsed.querySelector("parsererror, script")).toBeNull();
  const texts = [...parsed.querySelectorAll("text")].map((text) => text.textContent);
  for (const text of ["<script>", "a&b\ufffd", '"', "<b>"]) expect(texts).toContain(text);
  const drawn = [...parsed.querySelectorAll("g path")].map((path) => path.getAttribute("d")!.match(/M/g)!.length);
  expect(drawn.reduce((sum, count) => sum + count, 0)).toBe(strokes.count);
});

it("writes what is switched into the SVG: a square for a position, a line for an edge", () => {
  const toggles = { "1@2": "off", "0@1": "on", "1.0@0>2": "off" } as const;
  const scene = sceneOf(small, toggles);
  const marks = switchedMarks(scene, toggles);
  const svg = switchedSvg(marks, { text: "#000", surface: "#fff", off: "#b40" });
  const parsed = new DOMParser().parseFromString(`<svg xmlns="http://www.w3.org/2000/svg">${svg}</svg>`, "image/svg+xml");
  const squares = [...parsed.querySelectorAll("g")].map((mark) => [mark.getAttribute("class"), mark.querySelector("path") !== null, mark.getAttribute("transform")]);
  const at = (layer: number, token: number) => `translate(${spotX(scene.layout, { layer, token }).toFixed(1)} ${layerY(scene.layout, layer).toFixed(1)})`;
  expect(squares).toEqual([["off", true, at(1, 2)], ["on", false, at(0, 1)]]);
  expect(parsed.querySelector("path.off")!.getAttribute("stroke-dasharray")).not.toBeNull();
  expect(switchedSvg(switchedMarks(scene, {}), { text: "", surface: "", off: "" })).toBe("");
});
