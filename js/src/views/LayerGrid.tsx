import { range } from "d3-array";
import { useMemo, useRef, useState } from "preact/hooks";
import { gridEvents } from "../hooks/gridEvents";
import { useCells, type Cells } from "../hooks/useCells";
import type { FocusedNode } from "../hooks/useFocusedNode";
import { useToggling } from "../hooks/useToggling";
import { layerKeys, layerState } from "../logic/toggles";
import { layerNodes, layerShares } from "../logic/trace";
import { LayerRow } from "./LayerRow";
import { OpenLayer } from "./OpenLayer";
import type { ViewProps } from "./props";

interface Props extends Pick<ViewProps, "model" | "viewState" | "shown" | "theme"> {
  focused: FocusedNode;
  cells: Cells;
}

/** A row for each layer, the last one on top; one of them may be open. */
export function LayerGrid({ model, viewState, shown, theme, focused, cells }: Props) {
  const { trace, toggles, toggleable, size } = shown;
  const { n_layers: layers, n_heads: heads } = viewState;
  const grid = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<number | null>(null);
  const shares = useMemo(() => layerShares(viewState, trace), [viewState, trace]);
  const { toggleNode, toggleNodes } = useToggling(model, toggles, toggleable);
  const onLayer = (layer: number) => setOpen(open === layer ? null : layer);
  const { current } = focused;
  useCells(grid, viewState, trace, toggles, theme, size.moving, cells);
  return (
    <div
      ref={grid}
      role="grid"
      aria-label="Heads and MLPs by layer, last layer first"
      aria-readonly={!toggleable}
      {...gridEvents({ layers, heads, focused, onToggle: toggleNode, onLayer })}
    >
      {range(layers - 1, -1, -1).map((layer) => (
        <LayerRow
          key={layer}
          layer={layer}
          heads={heads}
          toggles={toggles}
          share={shares[layer]}
          currentColumn={current.layer === layer ? current.column : null}
          open={open === layer}
          live={toggleable}
          groups={cells.groups}
        >
          {open === layer && (
            <OpenLayer
              layer={layer}
              nodes={layerNodes(viewState, trace, toggles, layer)}
              state={layerState(toggles, layer, heads)}
              theme={theme}
              shading={cells.shading}
              live={toggleable}
              onToggleNode={toggleNode}
              onToggleLayer={(state) => toggleNodes(layerKeys(layer, heads), state)}
            />
          )}
        </LayerRow>
      ))}
    </div>
  );
}
