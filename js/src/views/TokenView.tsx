import { range } from "d3-array";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatCount, formatShare, rampBytes, visibleToken } from "../scales";
import { stripShades } from "../shades";
import type { Bundle } from "../state";
import { fitStrip, labelHeight } from "../strip";
import type { Theme } from "../theme";
import type { Trace } from "../trace";
import { useWidth } from "../width";
import { AsTable, type TableText } from "./AsTable";

interface Props {
  bundle: Bundle;
  trace: Trace;
  theme: Theme;
}

/** Tokens × layers: the share of edges kept into each position, last layer on top. */
export function TokenView({ bundle, trace, theme }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>(400);
  const [pointed, setPointed] = useState<{ token: number; layer: number } | null>(null);
  const [asked, setAsked] = useState(Infinity);
  const { n_layers: layers, n_tokens: tokens } = bundle;
  const { shown, cellWidth, cellHeight, flat, labelEvery } = useMemo(() => fitStrip(width, tokens, layers), [width, tokens, layers]);
  // The window opens at the end, where the prediction is made.
  const first = Math.min(asked, tokens - shown);
  const canvas = useShades(bundle, trace, theme, first, shown);

  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / cellWidth);
    const layer = layers - 1 - Math.floor((event.clientY - box.top) / cellHeight);
    if (column >= 0 && column < shown && layer >= 0 && layer < layers) setPointed({ token: first + column, layer });
  };

  const names = useMemo(() => bundle.tokens.map(visibleToken), [bundle]);
  const labels = useMemo(
    () => (
      <div class={flat ? "sw-strip-labels" : "sw-strip-labels sw-strip-upright"} style={{ "--cell-x": `${cellWidth}px`, height: `${labelHeight(names, flat)}px` }} aria-hidden="true">
        {range(first + ((shown - 1) % labelEvery), first + shown, labelEvery).map((token) => (
          <bdi key={token} style={{ left: `${(token - first) * cellWidth}px` }}>{names[token]}</bdi>
        ))}
      </div>
    ),
    [names, first, shown, cellWidth, flat, labelEvery],
  );
  const windowText = `tokens ${formatCount(first)} to ${formatCount(first + shown - 1)}: ${formatCount(shown)} of ${formatCount(tokens)} shown`;
  const data = useMemo(() => ({ bundle, trace, first, shown }), [bundle, trace, first, shown]);
  return (
    <section class="sw-positions" aria-label="Tokens by layers">
      <AsTable
        title={
          <h3 class="sw-title">
            Tokens × layers <span class="sw-note">{pointed ? describe(bundle, trace, pointed) : "edges kept into each position"}</span>
          </h3>
        }
        of="Tokens by layers"
        data={data}
        text={tableText}
      />
      <div ref={ref} class="sw-strip-box">
        <div
          class="sw-strip"
          role="img"
          aria-label={`Share of edges kept into each of ${shown} tokens in ${layers} layers`}
          style={{ width: `${shown * cellWidth}px`, height: `${layers * cellHeight}px`, "--cell-x": `${cellWidth}px`, "--cell-y": `${cellHeight}px` }}
          data-gaps={`${cellWidth > 10 ? "x" : ""}${cellHeight > 6 ? "y" : ""}`}
          onPointerMove={point}
          onPointerLeave={() => setPointed(null)}
        >
          <canvas ref={canvas} width={shown} height={layers} />
          {pointed && (
            <i class="sw-strip-point" style={{ left: `${(pointed.token - first) * cellWidth}px`, top: `${(layers - 1 - pointed.layer) * cellHeight}px` }} />
          )}
        </div>
        {labels}
      </div>
      {shown < tokens && (
        <label class="sw-window">
          <input
            type="range"
            min={0}
            max={tokens - shown}
            value={first}
            aria-label="First token shown"
            aria-valuetext={windowText}
            onInput={(event) => setAsked(Number(event.currentTarget.value))}
          />
          <span class="sw-note">{windowText}</span>
        </label>
      )}
    </section>
  );
}

/** One pixel a cell, drawn large by the style sheet: the strip of any prompt follows the hand. */
function useShades(bundle: Bundle, trace: Trace, theme: Theme, first: number, shown: number) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ramp = useMemo(() => rampBytes(theme), [theme]);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(shown, bundle.n_layers);
    stripShades(bundle, trace, first, shown).forEach((shade, place) => {
      image.data.set(ramp.subarray(4 * shade, 4 * shade + 4), 4 * place);
    });
    context.putImageData(image, 0, 0);
  }, [bundle, trace, ramp, first, shown]);
  return canvas;
}

function describe(bundle: Bundle, trace: Trace, { token, layer }: { token: number; layer: number }): string {
  const index = layer * bundle.n_tokens + token;
  const total = bundle.arrays.position_total[index];
  return `layer ${layer}, ${visibleToken(bundle.tokens[token])}: ${formatCount(trace.positionEdges[index])} of ${formatCount(total)} edges`;
}

function tableText({ bundle, trace, first, shown }: { bundle: Bundle; trace: Trace; first: number; shown: number }): TableText {
  const layers = range(bundle.n_layers);
  const share = (index: number) => {
    const total = bundle.arrays.position_total[index];
    return total > 0 ? formatShare(trace.positionEdges[index] / total) : "–";
  };
  return {
    caption: `Share of the edges into each token that are kept, by layer${
      shown < bundle.n_tokens ? `; ${formatCount(shown)} of ${formatCount(bundle.n_tokens)} tokens shown` : ""
    }`,
    head: ["", "token", ...layers.map((layer) => `layer ${layer}`)],
    rows: range(first, first + shown).map((token) => [
      String(token),
      visibleToken(bundle.tokens[token]),
      ...layers.map((layer) => share(layer * bundle.n_tokens + token)),
    ]),
  };
}
