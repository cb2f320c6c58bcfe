import type { ComponentChildren } from "preact";
import type { Kernel } from "../kernel";
import type { Toggles } from "../state";
import { setSwitches, switchGroups } from "../toggles";

interface Props {
  toggles: Toggles;
  heads: number;
  kernel: Kernel;
  onToggles(toggles: Toggles): void;
  children: ComponentChildren;
}

/** The active switches, each removable, and what can be done with the view as a whole. */
export function FootLine({ toggles, heads, kernel, onToggles, children }: Props) {
  const groups = switchGroups(toggles, heads);
  const live = kernel === "live";
  return (
    <footer class="sw-foot">
      {kernel === "none" && <p class="sw-note">No kernel: sizes are interpolated between computed levels; switches need a kernel.</p>}
      {kernel === "silent" && (
        <p class="sw-note" role="status" data-testid="read-only">
          No answer yet: the kernel is busy with a cell, or gone. What is shown is the last state; it goes on when the kernel
          answers. If it is gone, run the cell again.
        </p>
      )}
      {live && groups.length === 0 && <p class="sw-note">No switches: the subgraph is the trace of this size.</p>}
      {groups.length > 0 && (
        <ul class="sw-switches" aria-label="Active switches">
          {groups.map(({ name, state, keys }) => (
            <li key={keys[0]} class="sw-switch" data-state={state}>
              {state === "off" ? "−" : "+"} {name} {state}
              {live && (
                <button type="button" aria-label={`Set ${name} back to auto`} onClick={() => onToggles(setSwitches(toggles, keys, "auto"))}>
                  ×
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {live && groups.length > 0 && (
        <button type="button" class="sw-button" onClick={() => onToggles({})}>
          Reset switches
        </button>
      )}
      {children}
    </footer>
  );
}
