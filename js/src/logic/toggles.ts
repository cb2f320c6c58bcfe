// Components and their toggles: auto (as the trace has it) → off → on → auto.
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

/** "Head 21.4" or "MLP 18". */
export function componentName(key: string): string {
  const { layer, head } = parseKey(key);
  return head === "mlp" ? `MLP ${layer}` : `Head ${key}`;
}

export const layerKeys = (layer: number, heads: number): string[] => [
  ...Array.from({ length: heads }, (_, head) => headKey(layer, head)),
  mlpKey(layer),
];

export const toggleState = (toggles: Toggles, key: string): ToggleState => toggles[key] ?? "auto";

const nextState: Record<ToggleState, ToggleState> = { auto: "off", off: "on", on: "auto" };

/** What toggles make of an edge, by its layer, part, target and source: see `GraphEdges`. */
export function edgeState(toggles: Toggles, heads: number): (layer: number, part: number, target: number, source: number) => ToggleState {
  if (Object.keys(toggles).length === 0) return () => "auto";
  return (layer, part) => (part < heads ? toggleState(toggles, headKey(layer, part)) : part === heads + 1 ? toggleState(toggles, mlpKey(layer)) : "auto");
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
  const layers = [...new Set(keys.map((key) => parseKey(key).layer))];
  return layers.flatMap((layer) => {
    const whole = layerState(toggles, layer, heads);
    if (whole === "on" || whole === "off") return [{ name: `Layer ${layer}`, state: whole, keys: layerKeys(layer, heads) }];
    return keys
      .filter((key) => parseKey(key).layer === layer)
      .map((key) => ({ name: componentName(key), state: toggles[key], keys: [key] }));
  });
}

/** What changed between two sets of toggles, in words: "Head 21.4 off". */
export function describeChange(before: Toggles, after: Toggles, heads: number): string {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => before[key] !== after[key]);
  if (changed.length === 0) return "";
  if (Object.keys(after).length === 0 && changed.length > 1) return "All toggles back to auto";
  const { layer } = parseKey(changed[0]);
  const whole = layerState(after, layer, heads);
  if (changed.length > 1 && whole !== "mixed") return `Layer ${layer} ${whole}`;
  return changed.length === 1 ? `${componentName(changed[0])} ${toggleState(after, changed[0])}` : `${changed.length} toggles changed`;
}

export function byPlace(first: string, second: string): number {
  const place = ({ layer, head }: Component) => layer * 10_000 + (head === "mlp" ? 9_999 : head);
  return place(parseKey(first)) - place(parseKey(second));
}
