import { useMemo } from "preact/hooks";
import type { SizeHandle } from "../hooks/store";
import { knownOf, partName, placedNames, type Step } from "../logic/jumps";
import { locate, valueAt } from "../logic/levels";
import { heightOf, type Plot } from "../logic/plot";
import { levelsOf } from "../logic/quantities";
import { formatDistance, formatSize } from "../logic/scales";
import { tokenNames } from "../logic/tokenText";
import type { Jump, ViewState } from "../protocol/types";

export interface JumpsProps {
  steps: readonly Step[];
  known: readonly Jump[];
  /** The step whose reason is shown. */
  open: Step | null;
  onOpen(step: Step | null): void;
}

const places = ({ n_edges }: Step, all: number) => n_edges.map((size) => formatSize(size / all)).join(" to ");
const heights = (errors: readonly number[]) => errors.map(formatDistance).join(" → ");

/** Marks on the curve, in the middle of what it jumps over. */
export function JumpMarks({ viewState: { arrays }, plot, steps, open, onOpen }: JumpsProps & { viewState: ViewState; plot: Plot }) {
  const { scale, quantity } = plot;
  return (
    <>
      {steps.map((step) => {
        const x = (scale(step.n_edges[0]) + scale(step.n_edges[1])) / 2;
        const y = heightOf(valueAt(levelsOf(quantity, arrays), locate(arrays.level_n_edges, scale.invert(x))), plot);
        return (
          <g
            key={step.n_edges[0]}
            class="sw-jump"
            data-testid="jump"
            data-open={step === open}
            transform={`translate(${x},${y})`}
            onPointerDown={(event) => {
              event.stopPropagation(); // no place to drag from
              onOpen(step);
            }}
          >
            <title>Why does the error change here?</title>
            <circle r={8} />
            <text y={0.5}>?</text>
          </g>
        );
      })}
    </>
  );
}

interface ListProps extends JumpsProps {
  viewState: ViewState;
  size: SizeHandle;
  /** Whether the one that is open is being looked into. */
  asking: boolean;
}

/** The jumps by name, and of the one that is open the edges that make it. */
export function JumpList({ viewState, size, steps, known, open, onOpen, asking }: ListProps) {
  const found = open && knownOf(known, open);
  return (
    <div class="sw-jumps" data-testid="jumps">
      <p>
        <span class="sw-note">Why does the error change?</span>
        {steps.map((step) => (
          <button
            key={step.n_edges[0]}
            type="button"
            class="sw-quiet"
            aria-expanded={step === open}
            title={`TV ${heights(step.total_variation)} (W on the slider asks of the nearest)`}
            onClick={() => onOpen(step === open ? null : step)}
          >
            s {places(step, viewState.n_edges)}
          </button>
        ))}
      </p>
      {open && (
        <div role="status" data-testid="why">
          {found ? <Edges viewState={viewState} size={size} jump={found} /> : <p class="sw-note">{asking ? "Looking into it …" : "Not known."}</p>}
        </div>
      )}
    </div>
  );
}

/** What enters, and what that does; a click goes to where it has entered. */
function Edges({ viewState, size, jump }: { viewState: ViewState; size: SizeHandle; jump: Jump }) {
  const names = useMemo(() => placedNames(tokenNames(viewState.tokens)), [viewState]);
  const [lower, upper] = jump.n_edges;
  const whole = Math.abs(jump.total_variation[1] - jump.total_variation[0]);
  const go = (nEdges: number) => {
    size.preview(nEdges);
    size.commit();
  };
  if (jump.edges.length === 0) {
    return <p class="sw-note">It is gradual: none of these {upper - lower} edges makes 5 % of the change by itself.</p>;
  }
  return (
    <ul>
      {jump.edges.map(({ before, after, ...edge }) => (
        <li key={edge.rank}>
          <button type="button" class="sw-quiet" title="Go to where it has entered" onClick={() => go(edge.rank + 1)}>
            {partName({ before, after, ...edge })}: <bdi>{names[edge.source]}</bdi> → <bdi>{names[edge.target]}</bdi>
          </button>{" "}
          TV {heights([before, after])} <span class="sw-note">{Math.round((100 * Math.abs(after - before)) / whole)} % of the change</span>
        </li>
      ))}
    </ul>
  );
}
