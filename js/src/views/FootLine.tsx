import type { ComponentChildren } from "preact";
import { formatSize } from "../logic/scales";
import { setToggles, toggleGroups } from "../logic/toggles";
import type { Toggles } from "../protocol/types";
import type { ViewProps } from "./props";

interface Props extends ViewProps {
  /** What Python says is missing where it has no model. */
  missing: string;
  onToggles(toggles: Toggles): void;
  children: ComponentChildren;
}

/** The active toggles, each removable, and what can be done with the view as a whole. */
export function FootLine({ viewState, shown, missing, onToggles, children }: Props) {
  const { toggles, kernel, live, toggleable } = shown;
  const groups = toggleGroups(toggles, viewState.n_heads);
  return (
    <footer class="sw-foot">
      {kernel === "none" && <WithoutKernel viewState={viewState} shown={shown} missing={missing} />}
      {kernel === "silent" && (
        <p class="sw-note" role="status" data-testid="read-only">
          No answer yet: the kernel is busy with a cell, or gone. What is shown is the last state; it goes on when the kernel
          answers. If it is gone, run the cell again.
        </p>
      )}
      {live && groups.length === 0 && <p class="sw-note">No toggles: the subgraph is the trace of this size.</p>}
      {groups.length > 0 && (
        <ul class="sw-toggles" aria-label="Active toggles">
          {groups.map(({ name, state, keys }) => (
            <li key={keys[0]} class="sw-toggle" data-state={state}>
              {state === "off" ? "−" : "+"} {name} {state}
              {toggleable && (
                <button type="button" aria-label={`Set ${name} back to auto`} onClick={() => onToggles(setToggles(toggles, keys, "auto"))}>
                  ×
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {toggleable && groups.length > 0 && (
        <button type="button" class="sw-button" onClick={() => onToggles({})}>
          Reset toggles
        </button>
      )}
      {children}
    </footer>
  );
}

/** What can be seen here, and what would need a kernel that holds the model: or, in a notebook, the model alone. */
function WithoutKernel({ viewState, shown, missing }: Pick<Props, "viewState" | "shown" | "missing">) {
  const { known, refused, reading, size, toggles } = shown;
  const sizes = "sizes are interpolated between computed levels";
  const without = missing ? `${missing} Until then ${sizes}.` : `No kernel: ${sizes}.`;
  if (known.length === 0) {
    return <p class="sw-note" data-testid="without-kernel">{missing ? without : `No kernel: ${sizes}; toggles need a kernel.`}</p>;
  }
  const computed = known[0].n_edges;
  const unknown = reading.state === "stale" && refused === null;
  return (
    <p class="sw-note" role="status" data-testid="known-toggles">
      {unknown ? (
        <b class="sw-loss">This combination was not computed: it needs a {missing ? "model" : "kernel"}.</b>
      ) : (
        without
      )}{" "}
      Known are single toggles at s = {formatSize(computed / viewState.n_edges)}.{" "}
      {unknown && size.nEdges !== computed && Object.keys(toggles).length === 1 && (
        <button
          type="button"
          class="sw-button"
          onClick={() => {
            size.preview(computed);
            size.commit();
          }}
        >
          Go to that size
        </button>
      )}
    </p>
  );
}
