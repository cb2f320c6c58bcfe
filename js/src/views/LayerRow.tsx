import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { formatShare } from "../logic/scales";
import { layerKeys, toggleState } from "../logic/toggles";
import type { Toggles } from "../protocol/types";

interface Props {
  layer: number;
  heads: number;
  toggles: Toggles;
  share: number;
  /** The column of the grid's tab stop when it is in this row. */
  currentColumn: number | null;
  open: boolean;
  live: boolean;
  children: ComponentChildren;
}

/** One layer of the grid: its number, a cell for each node, and the layer's own share. */
export function LayerRow({ layer, heads, toggles, share, currentColumn, open, live, children }: Props) {
  // The same elements again cost nothing; `useCells` gives them shades and labels.
  const cells = useMemo(
    () =>
      layerKeys(layer, heads).map((key, index) => (
        <div
          key={key}
          role="gridcell"
          class={index === heads ? "sw-cell sw-cell-mlp" : "sw-cell"}
          data-component={key}
          data-state={toggleState(toggles, key)}
          data-place={`${layer}.${index + 1}`}
          tabIndex={currentColumn === index + 1 ? 0 : -1}
          aria-disabled={!live || undefined}
        />
      )),
    [layer, heads, toggles, currentColumn, live],
  );
  return (
    <>
      <div role="row" class="sw-row">
        <div role="rowheader">
          <button
            type="button"
            class="sw-layer-number"
            data-layer={layer}
            data-place={`${layer}.0`}
            tabIndex={currentColumn === 0 ? 0 : -1}
            aria-expanded={open}
            aria-label={`Layer ${layer}, ${formatShare(share)} in the trace`}
          >
            {layer}
          </button>
        </div>
        {cells}
        <div class="sw-layer-share" aria-hidden="true" title={formatShare(share)}>
          <i style={{ transform: `scaleX(${share})` }} />
        </div>
      </div>
      {children}
    </>
  );
}
