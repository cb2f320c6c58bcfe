import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { areaUnder, curveName, curveStyle, errorAt, unknown } from "../logic/curves";
import { formatDistance, formatSize, type Theme } from "../logic/scales";
import { measureName } from "../logic/settings";
import type { Curve, ViewState } from "../protocol/types";

interface Props {
  viewState: ViewState;
  nEdges: number;
  /** The error of the trace that is shown. */
  own: { totalVariation: number; exact: boolean };
  curves: readonly Curve[];
  /** Their places, in the order in which they are listed. */
  order: readonly number[];
  theme: Theme;
  onMeasure?(curve: Curve): void;
  onEmphasise(index: number | null): void;
}

/** The lines of the plot with their numbers at the present size. A measure's name shows everything by it. */
export function CurveLegend({ viewState, nEdges, own, curves, order, theme, onMeasure, onEmphasise }: Props) {
  const returns = viewState.landmarks.find(({ key }) => key === "top1")?.n_edges;
  // One width for all names: after a change of measure, the way back is still under the pointer.
  const [ownArea, areas] = useMemo(() => {
    const { level_n_edges: n_edges, total_variation } = viewState.arrays;
    return [areaUnder({ n_edges, total_variation }), curves.map(areaUnder)];
  }, [viewState, curves]);
  const longest = Math.max(...[viewState.importance, ...curves.map(({ name }) => curveName(name))].map(({ length }) => length));
  return (
    <ul class="sw-curves" aria-label="Curves" data-testid="curve-legend" style={{ "--name": `${longest}ch` }}>
      <li>
        <span class="sw-curve-name" aria-current="true" title={viewState.refined && measureName(viewState)}>
          <svg width="26" height="10" aria-hidden="true">
            <line class="sw-line" x2="26" y1="5" y2="5" />
          </svg>
          {viewState.importance}
        </span>
        <Numbers error={formatDistance(own.totalVariation)} exact={own.exact} area={ownArea} returns={returns} allEdges={viewState.n_edges} />
      </li>
      {/* By place: after a change the former measure is where the focus and the pointer are, and leads back. */}
      {order.map((index) => ({ index, curve: curves[index] })).map(({ index, curve }) => (
        <li key={index}>
          {curve.kind === "measure" ? (
            <button
              type="button"
              class="sw-curve-name"
              data-testid={`switch-${curve.name}`}
              aria-label={`Switch to ${curve.name}`}
              aria-disabled={onMeasure ? undefined : true}
              title={onMeasure ? `Shows everything by ${measureName({ importance: curve.name, refined: curve.refined })}, at this size` : "Switching to another measure needs a kernel that answers."}
              onClick={() => onMeasure?.(curve)}
              onPointerEnter={() => onEmphasise(index)}
              onPointerLeave={() => onEmphasise(null)}
              onFocus={(event) => event.currentTarget.matches(":focus-visible") && onEmphasise(index)}
              onBlur={() => onEmphasise(null)}
            >
              <CurveName curve={curve} index={index} theme={theme} />
            </button>
          ) : (
            <span class="sw-curve-name">
              <CurveName curve={curve} index={index} theme={theme} />
            </span>
          )}
          <Numbers
            error={errorAt(curve, nEdges)}
            exact={curve.n_edges.includes(nEdges)}
            area={areas[index]}
            returns={curve.lasting_top1}
            allEdges={viewState.n_edges}
          />
        </li>
      ))}
    </ul>
  );
}

function CurveName({ curve: { name, kind }, index, theme }: { curve: Curve; index: number; theme: Theme }) {
  const { colour, dash, mark } = curveStyle(theme, index);
  return (
    <>
      <svg class="sw-other" data-kind={kind} style={{ "--curve": colour }} width="26" height="10" aria-hidden="true">
        <line x2="26" y1="5" y2="5" stroke-dasharray={dash} />
        <path class="sw-mark" d={mark} transform="translate(13,5)" />
      </svg>
      {curveName(name)}
    </>
  );
}

interface NumbersProps {
  error: string;
  exact: boolean;
  area: number;
  returns: number | null | undefined;
  allEdges: number;
}

function Numbers({ error, exact, area, returns, allEdges }: NumbersProps): ComponentChildren {
  const between = !exact && error !== unknown;
  return (
    <span class="sw-curve-numbers">
      <span title={between ? "read between two computed sizes" : undefined}>
        TV {between ? "≈ " : ""}
        {error}
      </span>
      <span title="Area over s under the error: one number for all sizes, smaller is better">area {area.toFixed(3)}</span>
      {returns != null && <span title="From this size on the full model's top token leads">top-1 returns at {formatSize(returns / allEdges)}</span>}
    </span>
  );
}
