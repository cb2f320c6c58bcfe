import type { SizeHandle } from "../hooks/store";
import { haveLevels, neighbouringLevel } from "../logic/levels";
import type { ViewState } from "../protocol/types";

interface Props {
  viewState: ViewState;
  size: SizeHandle;
  valueText: string;
  /** Further keys, and what they do. */
  keys: Record<string, () => void>;
}

/** The native slider counts steps of log(edges). */
const steps = 1000;
/** So many arrow keys lead from one edge to all. */
const keyPresses = 300;

/** A native range input for the keys and the screen reader; the curve over it is its picture. */
export function SizeSlider({ viewState, size, valueText, keys }: Props) {
  const all = viewState.n_edges;
  const levels = viewState.arrays.level_n_edges;
  const move = (nEdges: number) => {
    size.preview(Math.min(all, Math.max(1, Math.round(nEdges))));
    size.commitSoon();
  };
  /** A fine step in log(edges), of one edge at least. */
  const step = (direction: 1 | -1) => {
    const next = Math.round(size.nEdges * all ** (direction / keyPresses));
    return next === size.nEdges ? size.nEdges + direction : next;
  };
  const targets: Record<string, () => number> = {
    ArrowRight: () => step(1),
    ArrowUp: () => step(1),
    ArrowLeft: () => step(-1),
    ArrowDown: () => step(-1),
    PageUp: () => neighbouringLevel(levels, size.nEdges, 1),
    PageDown: () => neighbouringLevel(levels, size.nEdges, -1),
    Home: () => 1,
    End: () => all,
  };
  const pressKey = (event: KeyboardEvent) => {
    const [target, further] = [targets[event.key], keys[event.key.toLowerCase()]];
    if (!(target || further) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (target) move(target());
    else further();
  };
  const value = Math.round(steps * (Math.log(size.nEdges) / Math.log(Math.max(2, all))));
  // Assistive technology may move the slider without a key, and by less than an edge.
  const slide = (event: InputEvent) => {
    const asked = Number((event.currentTarget as HTMLInputElement).value);
    const target = Math.round(all ** (asked / steps));
    move(target === size.nEdges ? step(asked > value ? 1 : -1) : target);
  };
  return (
    <input
      type="range"
      data-testid="slider"
      aria-label="Size of the subgraph"
      aria-valuetext={valueText}
      min={0}
      max={steps}
      value={value}
      disabled={!haveLevels(viewState)}
      onKeyDown={pressKey}
      onInput={slide}
      onBlur={size.commit}
    />
  );
}
