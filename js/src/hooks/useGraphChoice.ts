// What of the graph the pointer, the keys or a click are about.
import { useMemo, useState } from "preact/hooks";
import { edgesInto, isKeptIn, type Arc, type Scene, type Spot } from "../logic/graph";
import { headKey, parseKey } from "../logic/toggles";
import type { ViewState } from "../protocol/types";
import type { FocusedNode } from "./useFocusedNode";

/** A node, or of the edges into it only those from one token. */
export interface Pointed {
  spot: Spot;
  arc: Arc | null;
}

export interface GraphChoice {
  /** Under the pointer. */
  pointed: Pointed | null;
  point(pointed: Pointed | null): void;
  /** Clicked last, or where the keys are: its edges are listed. */
  chosen: Pointed;
  choose(chosen: Pointed): void;
  /** The edges that stand out. */
  edges: number[];
  /** The edges that are listed, the heaviest first. */
  listed: number[];
  /** Opens the head of an edge; of an MLP, the MLP. */
  open(edge: number): void;
}

const none: number[] = [];
const same = (one: Pointed | null, other: Pointed | null): boolean =>
  one?.arc === other?.arc && one?.spot.layer === other?.spot.layer && one?.spot.token === other?.spot.token;

export function useGraphChoice(scene: Scene, viewState: ViewState, nEdges: number, focused: FocusedNode, lit: ReadonlySet<string> | null): GraphChoice {
  const { edges } = scene;
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const [asked, choose] = useState<Pointed | null>(null);
  const [fresh, setFresh] = useState(false);
  const output = { layer: viewState.n_layers - 1, token: viewState.n_tokens - 1 };
  const there = asked && asked.spot.layer < viewState.n_layers && asked.spot.token < viewState.n_tokens;
  const chosen = there ? asked : { spot: output, arc: null };
  const listed = useMemo(() => listOf(edges, chosen), [edges, chosen.spot.layer, chosen.spot.token, chosen.arc]);
  const about = pointed ?? (fresh && asked ? asked : null);
  const key = about ? null : focused.pointed;
  const standing = useMemo(() => {
    if (lit) return ofComponents(scene, [...lit], nEdges);
    if (about) return listOf(edges, about).filter((edge) => isKeptIn(scene, edge, nEdges));
    return key ? ofComponents(scene, [key], nEdges) : none;
  }, [scene, about, key, lit, nEdges]);
  return {
    pointed,
    point: (next) => setPointed((now) => (same(now, next) ? now : next)),
    chosen,
    choose: (next) => {
      choose(next);
      setFresh(true);
    },
    edges: standing,
    listed,
    open(edge) {
      const [layer, part] = [edges.layer[edge], edges.part[edge]];
      if (part < viewState.n_heads) focused.point(headKey(layer, part));
      else if (part === viewState.n_heads + 1) focused.point(`${layer}.mlp`);
    },
  };
}

const listOf = (edges: Scene["edges"], { spot, arc }: Pointed): number[] =>
  arc ? [...arc.edges].sort((first, second) => edges.weight[second] - edges.weight[first]) : edgesInto(edges, spot);

/** The edges of heads and MLPs in the trace. */
function ofComponents(scene: Scene, keys: readonly string[], nEdges: number): number[] {
  const { edges, heads } = scene;
  const parts = heads + 3;
  const asked = new Set(keys.map(parseKey).map(({ layer, head }) => layer * parts + (head === "mlp" ? heads + 1 : head)));
  const found: number[] = [];
  for (let edge = 0; edge < edges.count; edge += 1) if (asked.has(edges.layer[edge] * parts + edges.part[edge]) && isKeptIn(scene, edge, nEdges)) found.push(edge);
  return found;
}
