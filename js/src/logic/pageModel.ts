// A plain object in place of the comm, for a page without a kernel.
import type { ExplorerModel } from "../protocol/model";
import { defaults, type ExplorerState } from "../protocol/types";
import { sameToggles } from "./toggles";

/** As loose as anywidget has it. */
type Listener = (...about: any[]) => void;

/** A model whose traits change on this page only. */
export function pageModel(state: Partial<ExplorerState>): ExplorerModel {
  const traits: ExplorerState = { ...defaults, ...state };
  const listeners = new Map<string, Set<Listener>>();
  const set = <Name extends keyof ExplorerState>(name: Name, value: ExplorerState[Name]) => {
    traits[name] = value;
    for (const listener of listeners.get(`change:${name}`) ?? []) listener();
  };
  return {
    get: (name) => traits[name],
    set: (name, value) => set(name as keyof ExplorerState, value as never),
    on: (event: string, listener: Listener) => {
      listeners.set(event, (listeners.get(event) ?? new Set()).add(listener));
    },
    off: (event?: string | null, listener?: Listener | null) => {
      if (event && listener) listeners.get(event)?.delete(listener);
    },
    // In place of a kernel: what the page knows is the answer.
    save_changes: () => {
      const { n_edges, toggles, evaluation } = traits;
      const known = traits.evaluations.find((found) => found.n_edges === n_edges && sameToggles(found.toggles, toggles));
      if (known && known !== evaluation) set("evaluation", known);
    },
    send: () => {},
  };
}
