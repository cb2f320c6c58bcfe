// Keeps the history of a model: what changes, from this view or from Python, is a step; what is exact was tried.
import { useEffect, useRef } from "preact/hooks";
import { addTried, push, readHistory } from "../logic/history";
import { settingsOf } from "../logic/settings";
import type { ExplorerModel, History, Step } from "../protocol/state";
import { useTrait, writeTrait } from "./store";

/** The model's present state as a step, or null while it has no trace. */
export function presentStep(model: ExplorerModel): Step | null {
  const bundle = model.get("bundle");
  if (!bundle?.arrays) return null;
  return { settings: settingsOf(bundle), n_edges: model.get("n_edges"), toggles: model.get("toggles") };
}

/** The history, kept as long as the view is there. `paused` while a trace is under way: its parts may arrive one by one. */
export function useHistory(model: ExplorerModel, paused: boolean): History {
  const history = useTrait(model, "history");
  const changes = [useTrait(model, "bundle"), useTrait(model, "n_edges"), useTrait(model, "toggles"), useTrait(model, "evaluation")];
  const opened = useRef(presentStep(model));
  useEffect(() => {
    // Read anew: another view may have moved the model, and recorded that, since this one was drawn.
    const bundle = model.get("bundle");
    const now = presentStep(model);
    if (paused || !bundle || !now) return;
    const stored = readHistory(model.get("history"));
    const before = stored.steps.length > 0 ? stored : { ...stored, steps: [opened.current ?? now], at: 0 };
    const after = addTried(push(before, now), now, model.get("evaluation"), bundle.n_edges, bundle.n_heads);
    if (after !== before) writeTrait(model, "history", after);
  }, [...changes, paused]);
  return readHistory(history);
}
