import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import type { Naming } from "../hooks/useNaming";
import { formatShare } from "../logic/scales";
import { layerKeys, toggleState } from "../logic/toggles";
import type { Toggles } from "../protocol/types";
import { GroupMark } from "./GroupMark";

interface Props {
  layer: number;
  heads: number;
  toggles: Toggles;
  share: number;
  /** The column of the grid's tab stop when it is in this row. */
  currentColumn: number | null;
  open: boolean;
  live: boolean;
  /** The groups of each component. */
  groups: Naming["byMember"];
  children: ComponentChildren;
}

/** One layer of the grid: its number, a cell for each node, and the layer's own share. */
export function LayerRow({ layer, heads, toggles, share, currentColumn, open, live, groups, children }: Props) {
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
        >
          {groups.has(key) && <span class="sw-cell-group"><GroupMark colour={groups.get(key)![0].colour} /></span>}
        </div>
      )),
    [layer, heads, toggles, currentColumn, live, groups],
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
