import type { Toggles } from "../state";
import { setSwitches, switchGroups } from "../toggles";

interface Props {
  toggles: Toggles;
  heads: number;
  live: boolean;
  onToggles(toggles: Toggles): void;
}

/** The active switches, each removable. */
export function FootLine({ toggles, heads, live, onToggles }: Props) {
  const groups = switchGroups(toggles, heads);
  return (
    <footer class="sw-foot">
      {!live && <p class="sw-note">No kernel: sizes are interpolated between computed levels; switches need a kernel.</p>}
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
    </footer>
  );
}
