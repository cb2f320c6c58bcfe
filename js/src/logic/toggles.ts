// Components, positions and edges, and their toggles: auto (as the trace has it) → off → on → auto.
// strace_widgets/graph/toggles.py says what each name stands for.
import type { Toggle, Toggles } from "../protocol/types";

export type ToggleState = Toggle | "auto";

/** A head by its number, or the MLP of a layer. */
export interface Component {
  layer: number;
  head: number | "mlp";
}

export const headKey = (layer: number, head: number): string => `${layer}.${head}`;
export const mlpKey = (layer: number): string => `${layer}.mlp`;

export function parseKey(key: string): Component {
  const [layer, head] = key.split(".");
  return { layer: Number(layer), head: head === "mlp" ? "mlp" : Number(head) };
}

/** What enters a node besides heads, as a name has it; the residual edges past the heads and past the MLP. */
export const edgeKinds = ["attention_residual", "mlp", "mlp_residual"] as const;

/** What a name stands for: a component, or, with a target, edges into that token. */
export interface Named {
  layer: number;
  part: number | (typeof edgeKinds)[number] | null;
  source: number | null;
  target: number | null;
}

/** A name taken apart, or null where it is none. */
export function parseName(key: string): Named | null {
  const found = /^(\d+)(?:\.(\d+|[a-z_]+))?(?:@(?:(\d+)>)?(\d+))?$/.exec(key);
  if (!found) return null;
  const [layer, part, source, target] = found.slice(1).map((text) => text ?? null);
  const kind = edgeKinds.find((one) => one === part);
  if (part !== null && !kind && !/^\d+$/.test(part)) return null;
  const wrong = kind ? source !== null || (kind !== "mlp" && target === null) : part === null && target === null;
  if (wrong || (source !== null && Number(source) > Number(target))) return null;
  const number = (text: string | null) => (text === null ? null : Number(text));
  return { layer: Number(layer), part: kind ?? number(part), source: number(source), target: number(target) };
}

export const positionKey = (layer: number, token: number): string => `${layer}@${token}`;
export const arcKey = (layer: number, source: number, target: number): string => `${layer}@${source}>${target}`;

/** The name of one edge: see `GraphEdges` for its part. */
export const edgeKey = (layer: number, part: number, target: number, source: number, heads: number): string =>
  part < heads ? `${layer}.${part}@${source}>${target}` : `${layer}.${edgeKinds[part - heads]}@${target}`;

/** "Head 21.4", "MLP 18", "Layer 21, token 3", "Head 21.4, token 1 → 3". */
export function componentName(key: string): string {
  const named = parseName(key);
  if (!named) return key;
  const { layer, part, source, target } = named;
  const words = { mlp: `MLP ${layer}`, attention_residual: `Residual past heads ${layer}`, mlp_residual: `Residual past MLP ${layer}` };
  const what = part === null ? (source === null ? `Layer ${layer}` : `Heads of layer ${layer}`) : typeof part === "number" ? `Head ${layer}.${part}` : words[part];
  return what + (target === null ? "" : `, token ${source === null ? "" : `${source} → `}${target}`);
}

export const layerKeys = (layer: number, heads: number): string[] => [
  ...Array.from({ length: heads }, (_, head) => headKey(layer, head)),
  mlpKey(layer),
];

export const toggleState = (toggles: Toggles, key: string): ToggleState => toggles[key] ?? "auto";

const nextState: Record<ToggleState, ToggleState> = { auto: "off", off: "on", on: "auto" };

/** What toggles make of an edge, by its layer, part, target and source: see `GraphEdges`. */
export function edgeState(toggles: Toggles, heads: number): (layer: number, part: number, target: number, source: number) => ToggleState {
  const keys = Object.keys(toggles);
  if (keys.length === 0) return () => "auto";
  const ofComponent = (layer: number, part: number) =>
    part < heads ? toggleState(toggles, headKey(layer, part)) : part === heads + 1 ? toggleState(toggles, mlpKey(layer)) : "auto";
  if (!keys.some((key) => key.includes("@"))) return ofComponent;
  // What is said of fewer edges holds over what is said of more.
  return (layer, part, target, source) =>
    toggles[edgeKey(layer, part, target, source, heads)] ??
    (part < heads ? (toggles[arcKey(layer, source, target)] ?? toggles[`${headKey(layer, part)}@${target}`]) : undefined) ??
    toggles[positionKey(layer, target)] ??
    ofComponent(layer, part);
}

/** The same toggles with `keys` set to a state. */
export function setToggles(toggles: Toggles, keys: readonly string[], state: ToggleState): Toggles {
  const result: Record<string, Toggle> = { ...toggles };
  for (const key of keys) {
    if (state === "auto") delete result[key];
    else result[key] = state;
  }
  return result;
}

export const cycle = (toggles: Toggles, key: string): Toggles => setToggles(toggles, [key], nextState[toggleState(toggles, key)]);

/** The state that a whole layer shares, or "mixed". */
export function layerState(toggles: Toggles, layer: number, heads: number): ToggleState | "mixed" {
  const states = new Set(layerKeys(layer, heads).map((key) => toggleState(toggles, key)));
  return states.size === 1 ? [...states][0] : "mixed";
}

export const sameToggles = (first: Toggles, second: Toggles): boolean =>
  Object.keys(first).length === Object.keys(second).length && Object.keys(first).every((key) => first[key] === second[key]);

/** Active toggles as one would list them: a layer that is toggled as a whole is one entry. */
export interface ToggleGroup {
  name: string;
  state: Toggle;
  keys: string[];
}

export function toggleGroups(toggles: Toggles, heads: number): ToggleGroup[] {
  const keys = Object.keys(toggles).sort(byPlace);
  const layers = [...new Set(keys.map(layerOf))];
  return layers.flatMap((layer) => {
    const whole = layerState(toggles, layer, heads);
    const one = whole === "on" || whole === "off" ? [{ name: `Layer ${layer}`, state: whole, keys: layerKeys(layer, heads) }] : [];
    return [
      ...one,
      ...keys
        .filter((key) => layerOf(key) === layer && (one.length === 0 || key.includes("@")))
        .map((key) => ({ name: componentName(key), state: toggles[key], keys: [key] })),
    ];
  });
}

/** What changed between two sets of toggles, in words: "Head 21.4 off". */
export function describeChange(before: Toggles, after: Toggles, heads: number): string {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => before[key] !== after[key]);
  if (changed.length === 0) return "";
  if (Object.keys(after).length === 0 && changed.length > 1) return "All toggles back to auto";
  const layer = layerOf(changed[0]);
  const whole = layerState(after, layer, heads);
  if (changed.length > 1 && whole !== "mixed") return `Layer ${layer} ${whole}`;
  return changed.length === 1 ? `${componentName(changed[0])} ${toggleState(after, changed[0])}` : `${changed.length} toggles changed`;
}

const layerOf = (key: string): number => parseInt(key, 10);

/** By layer; there the heads, the MLP, and then positions and edges by token. */
export function byPlace(first: string, second: string): number {
  const place = (key: string) => {
    const named = parseName(key);
    const part = typeof named?.part === "number" ? named.part : 9_999;
    return [layerOf(key), named?.target ?? -1, named?.source ?? -1, part];
  };
  const [one, other] = [place(first), place(second)];
  const differs = one.findIndex((number, index) => number !== other[index]);
  return differs < 0 ? 0 : one[differs] - other[differs];
}
