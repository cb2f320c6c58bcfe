import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { formatShare, shade, shadeIndex } from "../scales";
import type { Theme } from "../theme";
import { nodeShare, type Node } from "../trace";
import { parseKey } from "../toggles";

interface Props {
  layer: number;
  /** The heads, then the MLP. */
  nodes: Node[];
  share: number;
  /** The column of the grid's tab stop when it is in this row. */
  currentColumn: number | null;
  open: boolean;
  theme: Theme;
  live: boolean;
  moving: boolean;
  children: ComponentChildren;
}

/** One layer of the grid: its number, a cell for each node, and the layer's own share. */
export function LayerRow({ layer, nodes, share, currentColumn, open, theme, live, moving, children }: Props) {
  // The same elements again cost nothing. While the size moves only what is seen counts; the labels follow when it rests.
  const signature = nodes.map((node) => (moving ? shadeIndex(nodeShare(node)) : node.count) + node.state).join();
  const cells = useMemo(
    () =>
      nodes.map((node, index) => (
        <div
          key={node.key}
          role="gridcell"
          class={index === nodes.length - 1 ? "sw-cell sw-cell-mlp" : "sw-cell"}
          data-component={node.key}
          data-state={node.state}
          data-place={`${layer}.${index + 1}`}
          tabIndex={currentColumn === index + 1 ? 0 : -1}
          aria-label={cellLabel(node)}
          aria-disabled={!live || undefined}
          style={{ backgroundColor: shade(theme, nodeShare(node)) }}
        />
      )),
    [signature, moving, currentColumn, theme, live],
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
          <i style={{ width: `${100 * share}%` }} />
        </div>
      </div>
      {children}
    </>
  );
}

/** "Layer 21 head 4, auto, 41 of 45 edges in the trace". */
export function cellLabel({ key, state, count, total }: Node): string {
  const { layer, head } = parseKey(key);
  return `Layer ${layer} ${head === "mlp" ? "MLP" : `head ${head}`}, ${state}, ${count} of ${total} edges in the trace`;
}
