// Between the model's traits and the views: traits as hooks, and a size that follows the hand before Python hears of it.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { ExplorerModel } from "../protocol/model";
import type { ExplorerState, Toggles } from "../protocol/types";

/** A trait of the model, as it now is. */
export function useTrait<Name extends keyof ExplorerState>(model: ExplorerModel, name: Name): ExplorerState[Name] {
  const [value, setValue] = useState(() => model.get(name));
  useEffect(() => {
    const update = () => setValue(() => model.get(name));
    update(); // it may have changed between drawing and listening
    model.on(`change:${name}`, update);
    return () => model.off(`change:${name}`, update);
  }, [model, name]);
  return value;
}

export function writeTrait<Name extends keyof ExplorerState>(model: ExplorerModel, name: Name, value: ExplorerState[Name]): void {
  model.set(name, value);
  model.save_changes();
}

/** Several traits at once: Python sees no state between them. */
export function writeTraits(model: ExplorerModel, changes: Partial<ExplorerState>): void {
  for (const [name, value] of Object.entries(changes)) model.set(name as keyof ExplorerState, value as never);
  model.save_changes();
}

export interface SizeHandle {
  nEdges: number;
  /** True while the size on screen is not yet the model's. */
  moving: boolean;
  /** Moves the size on screen only. */
  preview(nEdges: number): void;
  /** Writes the previewed size to the model, now or once the keys rest. */
  commit(): void;
  commitSoon(): void;
  /** Goes back to the model's size. */
  discard(): void;
}

const keysRest = 150; // ms

/** The size: local while it is dragged, the model's once released; a kernel is never waited for. */
export function useSize(model: ExplorerModel): SizeHandle {
  const written = useTrait(model, "n_edges");
  const [draft, setDraft] = useState<number | null>(null);
  const latest = useRef<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  const preview = useCallback((nEdges: number) => {
    clearTimeout(timer.current); // a key pressed just before does not end a drag
    latest.current = nEdges;
    setDraft(nEdges);
  }, []);
  const commit = useCallback(() => {
    clearTimeout(timer.current);
    if (latest.current === null) return;
    if (latest.current !== model.get("n_edges")) writeTrait(model, "n_edges", latest.current);
    latest.current = null;
    setDraft(null);
  }, [model]);
  const commitSoon = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(commit, keysRest);
  }, [commit]);
  const discard = useCallback(() => {
    clearTimeout(timer.current);
    latest.current = null;
    setDraft(null);
  }, []);
  // A view that goes away does not take the last key press with it.
  useEffect(() => commit, [commit]);

  return { nEdges: draft ?? written, moving: draft !== null, preview, commit, commitSoon, discard };
}

export const writeToggles = (model: ExplorerModel, toggles: Toggles): void => writeTrait(model, "toggles", toggles);
