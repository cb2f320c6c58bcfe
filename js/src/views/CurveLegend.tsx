import type { ComponentChildren } from "preact";
import { curveName, dashes, errorAt, unknown } from "../logic/curves";
import { formatDistance, formatSize } from "../logic/scales";
import { measureName } from "../logic/settings";
import type { Curve, ViewState } from "../protocol/types";

interface Props {
  viewState: ViewState;
  nEdges: number;
  /** The error of the trace that is shown. */
  own: { totalVariation: number; exact: boolean };
  curves: readonly Curve[];
  onMeasure?(curve: Curve): void;
  onEmphasise(index: number | null): void;
}

/** The lines of the plot with their numbers at the present size. A measure's name shows everything by it. */
export function CurveLegend({ viewState, nEdges, own, curves, onMeasure, onEmphasise }: Props) {
  const returns = viewState.landmarks.find(({ key }) => key === "top1")?.n_edges;
  // One width for all names: after a change of measure, the way back is still under the pointer.
  const longest = Math.max(...[viewState.importance, ...curves.map(({ name }) => curveName(name))].map(({ length }) => length));
  return (
    <ul class="sw-curves" aria-label="Curves" data-testid="curve-legend" style={{ "--name": `${longest}ch` }}>
      <li>
        <span class="sw-curve-name" aria-current="true" title={viewState.refined && measureName(viewState)}>
          <Sample class="sw-line" />
          {viewState.importance}
        </span>
        <Numbers error={formatDistance(own.totalVariation)} exact={own.exact} returns={returns} allEdges={viewState.n_edges} />
      </li>
      {/* By place: after a change the former measure is where the focus and the pointer are, and leads back. */}
      {curves.map((curve, index) => (
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
              <CurveName curve={curve} index={index} />
            </button>
          ) : (
            <span class="sw-curve-name">
              <CurveName curve={curve} index={index} />
            </span>
          )}
          <Numbers
            error={errorAt(curve, nEdges)}
            exact={curve.n_edges.includes(nEdges)}
            returns={curve.lasting_top1}
            allEdges={viewState.n_edges}
          />
        </li>
      ))}
    </ul>
  );
}

function CurveName({ curve: { name, kind }, index }: { curve: Curve; index: number }) {
  return (
    <>
      <Sample class="sw-other" kind={kind} dash={dashes[index % dashes.length]} />
      {curveName(name)}
    </>
  );
}

function Sample({ class: line, kind, dash }: { class: string; kind?: Curve["kind"]; dash?: string }) {
  return (
    <svg width="24" height="8" aria-hidden="true">
      <line class={line} data-kind={kind} x2="24" y1="4" y2="4" stroke-dasharray={dash} />
    </svg>
  );
}

interface NumbersProps {
  error: string;
  exact: boolean;
  returns: number | null | undefined;
  allEdges: number;
}

function Numbers({ error, exact, returns, allEdges }: NumbersProps): ComponentChildren {
  const between = !exact && error !== unknown;
  return (
    <span class="sw-curve-numbers">
      <span title={between ? "read between two computed sizes" : undefined}>
        TV {between ? "≈ " : ""}
        {error}
      </span>
      {returns != null && <span title="From this size on the full model's top token leads">top-1 returns at {formatSize(returns / allEdges)}</span>}
    </span>
  );
}
