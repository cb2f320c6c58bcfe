import { range } from "d3-array";
import { useMemo, useRef, useState } from "preact/hooks";
import type { FocusedNode } from "../hooks/useFocusedNode";
import { useSettled } from "../hooks/useSettled";
import { markNames, nodeIndex, nodeMarks, nodeShares } from "../logic/effects";
import { placeOf } from "../logic/grid";
import { rampGradient, type Theme } from "../logic/scales";
import { shadeNames, shadingOf, type Shading } from "../logic/shading";
import { parseKey } from "../logic/toggles";
import type { ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import { EffectScatter } from "./EffectScatter";
import { Groups } from "./Groups";
import { LayerGrid } from "./LayerGrid";
import type { ViewProps } from "./props";
import { EffectsKnown, ShadeChoice } from "./ShadeChoice";

interface Props extends ViewProps {
  focused: FocusedNode;
}

/** How many heads and MLPs are marked anew in every frame. */
const together = 400;

/** Layers × nodes, last layer on top, so that reading up goes towards the prediction. */
export function LayerView(props: Props) {
  const { viewState, theme, focused } = props;
  const { trace, toggleable, shade, effects, naming } = props.shown;
  const section = useRef<HTMLElement>(null);
  // Only shares change with the size.
  const shading = useMemo(() => shadingOf(shade, viewState, trace, effects), [shade, viewState, shade === "share" ? trace : null, effects]);
  // Few marks and points go along with the size; many follow when it rests, so that a drag stays smooth.
  const rested = useSettled(trace);
  const followed = viewState.n_layers * (viewState.n_heads + 1) <= together ? trace : rested;
  const size = followed.nEdges / viewState.n_edges;
  const shares = useMemo(() => nodeShares(viewState, followed), [viewState, followed]);
  const marks = useMemo(() => nodeMarks(shares, effects, size), [shares, effects, size]);
  const [picked, setPicked] = useState<ReadonlySet<string> | null>(null);
  const data = useMemo(() => ({ viewState, shading }), [viewState, shading]);
  const chosen = effects ? picked : null;
  const cells = { shading, marks, picked: naming.lit ?? chosen, groups: naming.byMember, pointed: focused.pointed };
  const go = (key: string) => {
    const { layer, column } = placeOf(parseKey(key), viewState.n_heads);
    section.current?.querySelector<HTMLElement>(`[data-place="${layer}.${column}"]`)?.focus({ focusVisible: true });
  };
  return (
    <section ref={section} role="group" class="sw-layers" aria-label="Layers">
      <AsTable
        title={
          <div class="sw-title sw-layers-title">
            <h3 class="sw-title">Layers</h3>
            <ShadeChoice {...props} effects={effects} />
          </div>
        }
        of="Layers"
        data={data}
        text={tableText}
      />
      <EffectsKnown {...props} effects={effects} />
      <div class="sw-grid-scroll" style={gridSpacing(viewState)} data-picking={cells.picked !== null} onPointerLeave={() => focused.point(null)}>
        <GridHead heads={viewState.n_heads} />
        <LayerGrid {...props} cells={cells} />
      </div>
      <GridLegend theme={theme} shading={shading} marked={effects !== null} toggleable={toggleable} />
      <Groups {...props} picked={chosen} />
      {effects && (
        <EffectScatter viewState={viewState} effects={effects} shares={shares} marks={marks} size={size} focused={focused} picked={picked} onPick={setPicked} onName={naming.room ? naming.name : null} onGo={go} />
      )}
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

/** What shades, marks and colours mean, and what a click does. */
function GridLegend({ theme, shading, marked, toggleable }: { theme: Theme; shading: Shading; marked: boolean; toggleable: boolean }) {
  const { from, to, signed, unit } = shading.legend;
  return (
    <p class="sw-legend sw-grid-legend" data-testid="grid-legend">
      <span>
        {unit}: {from} <i class="sw-ramp" style={{ background: rampGradient(theme, signed) }} /> {to}
      </span>
      {marked && (["vital", "idle"] as const).map((mark) => <span key={mark}><i class="sw-mark" data-mark={mark} /> {markNames[mark]}</span>)}
      <span><i class="sw-swatch" data-state="off" /> off</span>
      <span><i class="sw-swatch" data-state="on" /> on</span>
      {toggleable && <span class="sw-hint">click: auto → off → on</span>}
    </p>
  );
}

function tableText({ viewState, shading }: { viewState: ViewState; shading: Shading }): TableText {
  const { n_layers: layers, n_heads: heads } = viewState;
  return {
    caption: `Heads and MLPs, last layer first: ${shadeNames[shading.shade]}`,
    head: ["layer", ...range(heads).map((head) => `head ${head}`), "MLP"],
    rows: range(layers - 1, -1, -1).map((layer) => [
      String(layer),
      ...range(heads + 1).map((part) => shading.figure(nodeIndex({ layer, head: part === heads ? "mlp" : part }, heads))),
    ]),
  };
}
