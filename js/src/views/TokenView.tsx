import { useMemo, useState } from "preact/hooks";
import { formatCount, shadeAt, shadeIndex, visibleToken } from "../scales";
import type { Bundle } from "../state";
import type { Theme } from "../theme";
import type { Trace } from "../trace";
import { useWidth } from "../width";

interface Props {
  bundle: Bundle;
  trace: Trace;
  theme: Theme;
}

const narrowest = 7; // px a token; below it the strip scrolls
const uprightFrom = 38; // px a token, for labels that lie flat
const labelPitch = 13; // px from one standing label to the next

/** Tokens × layers: the share of edges kept into each position, last layer on top. */
export function TokenView({ bundle, trace, theme }: Props) {
  const [ref, outerWidth] = useWidth<HTMLDivElement>(400);
  const [pointed, setPointed] = useState<{ token: number; layer: number } | null>(null);
  const { n_layers: layers, n_tokens: tokens } = bundle;
  const cellWidth = Math.max(narrowest, outerWidth / tokens);
  const cellHeight = Math.min(12, Math.max(2, 128 / layers));
  const width = cellWidth * tokens;
  const height = cellHeight * layers;
  const paths = useMemo(() => shadePaths(bundle, trace, cellWidth, cellHeight), [bundle, trace, cellWidth, cellHeight]);
  const flat = cellWidth >= uprightFrom;
  const every = flat ? 1 : Math.ceil(labelPitch / cellWidth);

  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const token = Math.floor((event.clientX - box.left) / cellWidth);
    const layer = layers - 1 - Math.floor((event.clientY - box.top) / cellHeight);
    if (token >= 0 && token < tokens && layer >= 0 && layer < layers) setPointed({ token, layer });
  };

  return (
    <section class="sw-positions" aria-label="Tokens by layers">
      <h3 class="sw-title">
        Tokens × layers <span class="sw-note">{pointed ? describe(bundle, trace, pointed) : "edges kept into each position"}</span>
      </h3>
      <div ref={ref} class="sw-scroll" tabIndex={width > outerWidth + 1 ? 0 : undefined}>
        <svg
          class="sw-strip"
          role="img"
          aria-label={`Share of edges kept into each of ${tokens} tokens in ${layers} layers`}
          width={width}
          height={height}
          onPointerMove={point}
          onPointerLeave={() => setPointed(null)}
        >
          {paths.map((path, index) => path && <path key={index} d={path} fill={shadeAt(theme, index)} />)}
          {pointed && (
            <rect class="sw-strip-point" x={pointed.token * cellWidth} y={(layers - 1 - pointed.layer) * cellHeight} width={cellWidth} height={cellHeight} />
          )}
        </svg>
        <div class={flat ? "sw-strip-labels" : "sw-strip-labels sw-strip-upright"} style={{ width: `${width}px` }} aria-hidden="true">
          {bundle.tokens.map((token, index) =>
            index % every === 0 ? (
              <bdi key={index} style={{ width: `${cellWidth * every}px`, lineHeight: flat ? undefined : `${cellWidth * every}px` }}>{visibleToken(token)}</bdi>
            ) : null,
          )}
        </div>
      </div>
    </section>
  );
}

/** One path a shade instead of one rectangle a cell: 80 layers × 200 tokens still follow the hand. */
function shadePaths({ arrays, n_layers, n_tokens }: Bundle, trace: Trace, cellWidth: number, cellHeight: number): string[] {
  const paths: string[] = [];
  const gapX = cellWidth > 10 ? 1 : 0;
  const gapY = cellHeight > 6 ? 1 : 0;
  const box = `h${(cellWidth - gapX).toFixed(1)}v${(cellHeight - gapY).toFixed(1)}h${(gapX - cellWidth).toFixed(1)}z`;
  const starts = Array.from({ length: n_tokens }, (_, token) => (token * cellWidth).toFixed(1));
  for (let layer = 0; layer < n_layers; layer += 1) {
    const y = ((n_layers - 1 - layer) * cellHeight).toFixed(1);
    for (let token = 0; token < n_tokens; token += 1) {
      const index = layer * n_tokens + token;
      const total = arrays.position_total[index];
      const level = shadeIndex(total > 0 ? trace.positionEdges[index] / total : 0);
      paths[level] = `${paths[level] ?? ""}M${starts[token]} ${y}${box}`;
    }
  }
  return paths;
}

function describe(bundle: Bundle, trace: Trace, { token, layer }: { token: number; layer: number }): string {
  const index = layer * bundle.n_tokens + token;
  const total = bundle.arrays.position_total[index];
  return `layer ${layer}, ${visibleToken(bundle.tokens[token])}: ${formatCount(trace.positionEdges[index])} of ${formatCount(total)} edges`;
}
