import { useRef } from "preact/hooks";
import { cycle, setToggles, type ToggleState } from "../logic/toggles";
import type { ExplorerModel } from "../protocol/model";
import type { Toggles } from "../protocol/types";
import { writeToggles } from "./store";

export interface Toggling {
  /** A head or an MLP to its next state. */
  toggleNode(key: string): void;
  /** Several of them to one state: a layer, or a group. */
  toggleNodes(keys: readonly string[], state: ToggleState): void;
}

/** Writes toggles to the model; where none can be tried, nothing happens. */
export function useToggling(model: ExplorerModel, toggles: Toggles, toggleable: boolean): Toggling {
  // Toggles may come faster than they are drawn: each starts from what the one before it left.
  const latest = useRef(toggles);
  latest.current = toggles;
  const write = (next: Toggles) => {
    if (!toggleable) return;
    latest.current = next;
    writeToggles(model, next);
  };
  return {
    toggleNode: (key) => write(cycle(latest.current, key)),
    toggleNodes: (keys, state) => write(setToggles(latest.current, keys, state)),
  };
}
