import { range } from "d3-array";
import { useMemo } from "preact/hooks";
import type { FocusedNode } from "../hooks/useFocusedNode";
import { formatShare, rampGradient, type Theme } from "../logic/scales";
import { layerNodes, nodeShare, type Trace } from "../logic/trace";
import type { ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import { LayerGrid } from "./LayerGrid";
import type { ViewProps } from "./props";

interface Props extends ViewProps {
  focused: FocusedNode;
}

/** Layers × nodes, last layer on top, so that reading up goes towards the prediction. */
export function LayerView(props: Props) {
  const { viewState, theme, focused } = props;
  const { trace, toggleable } = props.shown;
  const data = useMemo(() => ({ viewState, trace }), [viewState, trace]);
  return (
    <section role="group" class="sw-layers" aria-label="Layers">
      <AsTable
        title={
          <h3 class="sw-title">
            Layers <span class="sw-note">share of each head and MLP in the trace</span>
          </h3>
        }
        of="Layers"
        data={data}
        text={tableText}
      />
      <div class="sw-grid-scroll" style={gridSpacing(viewState)} onPointerLeave={() => focused.point(null)}>
        <GridHead heads={viewState.n_heads} />
        <LayerGrid {...props} />
      </div>
      <GridLegend theme={theme} toggleable={toggleable} />
    </section>
  );
}

/** Rows share the height of the other column; beyond so many they scroll. */
const mostRows = 50;
const rowHeight = (layers: number): number => Math.min(36, Math.max(14, Math.floor(550 / layers) - 2));

/** What the style sheet needs to know of the grid. */
const gridSpacing = ({ n_layers: layers, n_heads: heads }: ViewState) => ({
  "--heads": heads,
  "--row": `${rowHeight(layers)}px`,
  "--gap": heads > 32 ? "1px" : heads > 16 ? "2px" : "3px",
  "--height": layers > mostRows ? "600px" : "none",
});

/** The columns' names; of many heads only some are numbered. */
function GridHead({ heads }: { heads: number }) {
  const labelEvery = Math.ceil(heads / 16);
  return (
    <div class="sw-row sw-grid-head" aria-hidden="true">
      <span />
      {range(heads).map((head) => <span key={head}>{head % labelEvery === 0 && head}</span>)}
      <span class="sw-cell-mlp">MLP</span>
      <span>in trace</span>
    </div>
  );
}

/** What shades and colours mean, and what a click does. */
function GridLegend({ theme, toggleable }: { theme: Theme; toggleable: boolean }) {
  return (
    <p class="sw-legend sw-grid-legend">
      <span>none <i class="sw-ramp" style={{ background: rampGradient(theme) }} /> all</span>
      <span><i class="sw-swatch" data-state="off" /> off</span>
      <span><i class="sw-swatch" data-state="on" /> on</span>
      {toggleable && <span class="sw-hint">click: auto → off → on</span>}
    </p>
  );
}

function tableText({ viewState, trace }: { viewState: ViewState; trace: Trace }): TableText {
  return {
    caption: "Share of each head's and MLP's edges in the trace, last layer first",
    head: ["layer", ...range(viewState.n_heads).map((head) => `head ${head}`), "MLP"],
    rows: range(viewState.n_layers - 1, -1, -1).map((layer) => [
      String(layer),
      ...layerNodes(viewState, trace, {}, layer).map((node) => formatShare(nodeShare(node))),
    ]),
  };
}
