// Keeps the history of a model: what changes, from this view or from Python, is a step; what is exact was tried.
import { useLayoutEffect, useRef } from "preact/hooks";
import { addTried, push } from "../logic/history";
import { settingsOf } from "../logic/settings";
import type { ExplorerModel } from "../protocol/model";
import type { History, Step } from "../protocol/types";
import { useTrait, writeTrait } from "./store";

/** The model's present state as a step, or null while it has no trace. */
export function presentStep(model: ExplorerModel): Step | null {
  const viewState = model.get("view_state");
  if (!viewState?.arrays) return null;
  return { settings: settingsOf(viewState), n_edges: model.get("n_edges"), toggles: model.get("toggles"), groups: model.get("groups") };
}

/**
 * The history, kept as long as the view is there. `paused` while a trace or its levels are under way: they arrive part by
 * part, and move a size that nobody has chosen.
 */
export function useHistory(model: ExplorerModel, paused: boolean): History {
  const history = useTrait(model, "history");
  const changes = [useTrait(model, "view_state"), useTrait(model, "n_edges"), useTrait(model, "toggles"), useTrait(model, "groups"), useTrait(model, "evaluation")];
  const opened = useRef(paused ? null : presentStep(model));
  // At once, not after the next picture: of two switches in one moment each is a step.
  useLayoutEffect(() => {
    // Read anew: another view may have moved the model, and recorded that, since this one was drawn.
    const viewState = model.get("view_state");
    const now = presentStep(model);
    if (paused || !viewState || !now) return;
    opened.current ??= now;
    const stored = model.get("history");
    const before = stored.steps.length > 0 ? stored : { ...stored, steps: [opened.current], at: 0 };
    const after = addTried(push(before, now), now, model.get("evaluation"), viewState.n_edges, viewState.n_heads);
    if (after !== before) writeTrait(model, "history", after);
  }, [...changes, paused]);
  return history;
}
