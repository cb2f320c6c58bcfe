import { range } from "d3-array";
import { useMemo, useRef, useState } from "preact/hooks";
import { writeToggles } from "../hooks/store";
import { useCells } from "../hooks/useCells";
import type { FocusedNode } from "../hooks/useFocusedNode";
import { keyTarget, type Place } from "../logic/grid";
import { formatShare, rampGradient } from "../logic/scales";
import { cycle, layerKeys, layerState, setToggles, type ToggleState } from "../logic/toggles";
import { layerNodes, layerShares, nodeShare, type Trace } from "../logic/trace";
import type { Toggles, ViewState } from "../protocol/types";
import { AsTable, type TableText } from "./AsTable";
import { LayerRow } from "./LayerRow";
import { OpenLayer } from "./OpenLayer";
import type { ViewProps } from "./props";

interface Props extends ViewProps {
  focused: FocusedNode;
}

/** Layers × nodes, last layer on top, so that reading up goes towards the prediction. */
export function LayerView({ model, viewState, shown, theme, focused }: Props) {
  const { trace, toggles, toggleable, size } = shown;
  const { current } = focused;
  const { n_layers: layers, n_heads: heads } = viewState;
  const [open, setOpen] = useState<number | null>(null);
  const grid = useRef<HTMLDivElement>(null);
  const shares = useMemo(() => layerShares(viewState, trace), [viewState, trace]);
  const data = useMemo(() => ({ viewState, trace }), [viewState, trace]);
  useCells(grid, viewState, trace, toggles, theme, size.moving);

  const moveTo = ({ layer, column }: Place) =>
    grid.current?.querySelector<HTMLElement>(`[data-place="${layer}.${column}"]`)?.focus();
  // Toggles may come faster than they are drawn: each starts from what the one before it left.
  const latest = useRef(toggles);
  latest.current = toggles;
  const write = (next: Toggles) => {
    latest.current = next;
    writeToggles(model, next);
  };
  const toggleNode = (key: string) => toggleable && write(cycle(latest.current, key));
  const toggleLayer = (layer: number, state: ToggleState) => write(setToggles(latest.current, layerKeys(layer, heads), state));

  const click = (event: MouseEvent) => {
    const key = attribute(event, "component");
    const layer = attribute(event, "layer");
    if (key !== undefined) toggleNode(key);
    else if (layer !== undefined) setOpen(open === Number(layer) ? null : Number(layer));
  };
  const point = (event: Event) => {
    const key = attribute(event, "component") ?? attribute(event, "node");
    if (key !== undefined) focused.point(key);
  };
  const focus = (event: FocusEvent) => {
    const cell = attribute(event, "place")?.split(".").map(Number);
    if (cell) focused.focus({ layer: cell[0], column: cell[1] });
    else point(event);
  };
  const pressKey = (event: KeyboardEvent) => {
    if (attribute(event, "place") === undefined || event.metaKey || event.altKey) return;
    const key = attribute(event, "component");
    const target = keyTarget(event.key, event.ctrlKey, current, layers, heads);
    if (target) moveTo(target);
    else if (key !== undefined && (event.key === "Enter" || event.key === " ")) toggleNode(key);
    else return;
    event.preventDefault();
  };

  const labelEvery = Math.ceil(heads / 16);
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
      <div
        class="sw-grid-scroll"
        style={{
          "--heads": heads,
          "--row": `${rowHeight(layers)}px`,
          "--gap": heads > 32 ? "1px" : heads > 16 ? "2px" : "3px",
          "--height": layers > mostRows ? "600px" : "none",
        }}
        onPointerLeave={() => focused.point(null)}
      >
        <div class="sw-row sw-grid-head" aria-hidden="true">
          <span />
          {range(heads).map((head) => <span key={head}>{head % labelEvery === 0 && head}</span>)}
          <span class="sw-cell-mlp">MLP</span>
          <span>in trace</span>
        </div>
        <div
          ref={grid}
          role="grid"
          aria-label="Heads and MLPs by layer, last layer first"
          aria-readonly={!toggleable}
          onClick={click}
          onFocusIn={focus}
          onKeyDown={pressKey}
          onPointerOver={point}
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
            >
              {open === layer && (
                <OpenLayer
                  layer={layer}
                  nodes={layerNodes(viewState, trace, toggles, layer)}
                  state={layerState(toggles, layer, heads)}
                  theme={theme}
                  live={toggleable}
                  onToggleNode={toggleNode}
                  onToggleLayer={(state) => toggleLayer(layer, state)}
                />
              )}
            </LayerRow>
          ))}
        </div>
      </div>
      <p class="sw-legend sw-grid-legend">
        <span>none <i class="sw-ramp" style={{ background: rampGradient(theme) }} /> all</span>
        <span><i class="sw-swatch" data-state="off" /> off</span>
        <span><i class="sw-swatch" data-state="on" /> on</span>
        {toggleable && <span class="sw-hint">click: auto → off → on</span>}
      </p>
    </section>
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

/** Rows share the height of the other column; beyond so many they scroll. */
const mostRows = 36;
const rowHeight = (layers: number): number => Math.min(36, Math.max(14, Math.floor(550 / layers) - 2));

/** A data attribute of the element an event is about, or of one around it. */
const attribute = (event: Event, name: string): string | undefined =>
  (event.target as Element).closest<HTMLElement>(`[data-${name}]`)?.dataset[name];
