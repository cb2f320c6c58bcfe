import { range } from "d3-array";
import { useMemo, useRef, useState } from "preact/hooks";
import { writeToggles } from "../hooks/store";
import { useCells } from "../hooks/useCells";
import type { Place } from "../hooks/usePlace";
import type { Shown } from "../hooks/useShown";
import { keyTarget, type GridPlace } from "../logic/grid";
import { formatShare, rampGradient, type Theme } from "../logic/scales";
import { cycle, layerKeys, layerState, setSwitches, type SwitchState } from "../logic/toggles";
import { layerNodes, layerShares, nodeShare, type Trace } from "../logic/trace";
import type { Bundle, ExplorerModel, Toggles } from "../protocol/state";
import { AsTable, type TableText } from "./AsTable";
import { LayerRow } from "./LayerRow";
import { OpenLayer } from "./OpenLayer";

interface Props {
  model: ExplorerModel;
  bundle: Bundle;
  shown: Shown;
  theme: Theme;
  place: Place;
}

/** Layers × nodes, last layer on top, so that reading up goes towards the prediction. */
export function LayerView({ model, bundle, shown, theme, place }: Props) {
  const { trace, toggles, switchable, size } = shown;
  const { current } = place;
  const { n_layers: layers, n_heads: heads } = bundle;
  const [open, setOpen] = useState<number | null>(null);
  const grid = useRef<HTMLDivElement>(null);
  const shares = useMemo(() => layerShares(bundle, trace), [bundle, trace]);
  const data = useMemo(() => ({ bundle, trace }), [bundle, trace]);
  useCells(grid, bundle, trace, toggles, theme, size.moving);

  const moveTo = ({ layer, column }: GridPlace) =>
    grid.current?.querySelector<HTMLElement>(`[data-place="${layer}.${column}"]`)?.focus();
  // Switches may come faster than they are drawn: each starts from what the one before it left.
  const latest = useRef(toggles);
  latest.current = toggles;
  const write = (next: Toggles) => {
    latest.current = next;
    writeToggles(model, next);
  };
  const switchNode = (key: string) => switchable && write(cycle(latest.current, key));
  const switchLayer = (layer: number, state: SwitchState) => write(setSwitches(latest.current, layerKeys(layer, heads), state));

  const click = (event: MouseEvent) => {
    const key = attribute(event, "component");
    const layer = attribute(event, "layer");
    if (key !== undefined) switchNode(key);
    else if (layer !== undefined) setOpen(open === Number(layer) ? null : Number(layer));
  };
  const point = (event: Event) => {
    const key = attribute(event, "component") ?? attribute(event, "node");
    if (key !== undefined) place.point(key);
  };
  const focus = (event: FocusEvent) => {
    const cell = attribute(event, "place")?.split(".").map(Number);
    if (cell) place.focus({ layer: cell[0], column: cell[1] });
    else point(event);
  };
  const pressKey = (event: KeyboardEvent) => {
    if (attribute(event, "place") === undefined || event.metaKey || event.altKey) return;
    const key = attribute(event, "component");
    const target = keyTarget(event.key, event.ctrlKey, current, layers, heads);
    if (target) moveTo(target);
    else if (key !== undefined && (event.key === "Enter" || event.key === " ")) switchNode(key);
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
        onPointerLeave={() => place.point(null)}
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
          aria-readonly={!switchable}
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
              live={switchable}
            >
              {open === layer && (
                <OpenLayer
                  layer={layer}
                  nodes={layerNodes(bundle, trace, toggles, layer)}
                  state={layerState(toggles, layer, heads)}
                  theme={theme}
                  live={switchable}
                  onSwitchNode={switchNode}
                  onSwitchLayer={(state) => switchLayer(layer, state)}
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
        {switchable && <span class="sw-hint">click: auto → off → on</span>}
      </p>
    </section>
  );
}

function tableText({ bundle, trace }: { bundle: Bundle; trace: Trace }): TableText {
  return {
    caption: "Share of each head's and MLP's edges in the trace, last layer first",
    head: ["layer", ...range(bundle.n_heads).map((head) => `head ${head}`), "MLP"],
    rows: range(bundle.n_layers - 1, -1, -1).map((layer) => [
      String(layer),
      ...layerNodes(bundle, trace, {}, layer).map((node) => formatShare(nodeShare(node))),
    ]),
  };
}

/** Rows share the height of the other column; beyond so many they scroll. */
const mostRows = 36;
const rowHeight = (layers: number): number => Math.min(36, Math.max(14, Math.floor(550 / layers) - 2));

/** A data attribute of the element an event is about, or of one around it. */
const attribute = (event: Event, name: string): string | undefined =>
  (event.target as Element).closest<HTMLElement>(`[data-${name}]`)?.dataset[name];
