// Which heads and MLPs a group's prompts use, the first layer at the bottom; a click holds the prompts that use one.
import { useMemo, useState } from "preact/hooks";
import { useWidth } from "../hooks/useWidth";
import { amountIndex, formatShare, formatSize, rampGradient, shadeAt, signedIndex, type Theme } from "../logic/scales";
import type { StudyState } from "../protocol/study";
import { meanUse, type UseBy } from "./aggregates";
import type { About } from "./filters";
import type { Prompts } from "./prompts";
import { useCanvas, type Paint } from "./useCanvas";
import type { Groups } from "./useGroups";

interface Props {
  prompts: Prompts;
  about: About;
  groups: Groups;
  theme: Theme;
}

/** What the map is of. */
interface Choice {
  size: number;
  model: number;
  by: UseBy;
}

export function UseMap({ prompts, about, groups, theme }: Props) {
  const { study, importance } = about;
  const [choice, choose] = useState<Choice>({ size: Math.floor(study.use_sizes.length / 2), model: 0, by: "use" });
  const { size, model, by } = choice;
  const { n_layers: layers, n_heads: heads } = study.models[model];
  const [at, setAt] = useState(0);
  const [ref, width] = useWidth<HTMLDivElement>(420);
  const use = prompts.use[importance][size];
  const first = useMemo(() => meanUse(prompts, use, groups.first.mask, model, by), [prompts, use, groups.first, model, by]);
  const second = useMemo(() => groups.second && meanUse(prompts, use, groups.second.mask, model, by), [prompts, use, groups.second, model, by]);
  const chosen = groups.filters.using.filter((each) => each.model === model && each.size === size).map(({ component }) => component);
  const grid = gridOf(layers, heads, width);
  const place = Math.min(at, layers * grid.columns - 1);
  const toggle = (component: number) => {
    const others = groups.filters.using.filter((each) => each.model !== model || each.size !== size || each.component !== component);
    groups.filter({ using: others.length < groups.filters.using.length ? others : [...others, { model, component, size }] });
  };
  const words = inWords(place, { grid, by, first, second, chosen });
  return (
    <section class="sw-study-view" aria-label="Use of heads and MLPs" data-testid="use-map">
      <Choices study={study} choice={choice} onChoose={(change) => choose({ ...choice, ...change })} />
      <div ref={ref}>
        <Cells grid={grid} shown={{ grid, by, first, second, chosen }} theme={theme} place={place} words={words} onPlace={setAt} onToggle={toggle} />
      </div>
      <p class="sw-legend sw-study-legend">
        <i style={{ background: rampGradient(theme, second !== null) }} aria-hidden="true" /> {second ? "−100% to +100%, A − B" : "0 to 100%"}
        <span class="sw-study-words" data-testid="use-words">{words}</span>
      </p>
    </section>
  );
}

interface ChoicesProps {
  study: StudyState;
  choice: Choice;
  onChoose(change: Partial<Choice>): void;
}

function Choices({ study, choice: { size, model, by }, onChoose }: ChoicesProps) {
  return (
    <div class="sw-study-choices">
      <h3 class="sw-title">Heads and MLPs</h3>
      <label>
        at s ={" "}
        <select value={size} data-testid="use-size" onChange={(event) => onChoose({ size: Number(event.currentTarget.value) })}>
          {study.use_sizes.map((each, index) => <option key={each} value={index}>{formatSize(each)}</option>)}
        </select>
      </label>
      <label>
        shows{" "}
        <select value={by} data-testid="use-by" onChange={(event) => onChoose({ by: event.currentTarget.value as UseBy })}>
          <option value="use">share of prompts that use it</option>
          <option value="density">mean share of its edges</option>
        </select>
      </label>
      {study.models.length > 1 && (
        <label>
          of{" "}
          <select value={model} data-testid="use-model" onChange={(event) => onChoose({ model: Number(event.currentTarget.value) })}>
            {study.models.map(({ name }, index) => <option key={index} value={index}>{name}</option>)}
          </select>
        </label>
      )}
    </div>
  );
}

/** A row a layer, a column a head, and one for the MLPs, in pixels. */
interface Grid {
  layers: number;
  columns: number;
  across: number;
  down: number;
}

const left = 28;
const top = 18;

const gridOf = (layers: number, heads: number, width: number): Grid => ({
  layers,
  columns: heads + 1,
  across: Math.max(4, Math.min(28, Math.floor((width - left) / (heads + 1)))),
  down: Math.max(5, Math.min(16, Math.floor(300 / layers))),
});

const cornerOf = ({ layers, columns, across, down }: Grid, component: number): [x: number, y: number] => [
  left + (component % columns) * across,
  top + (layers - 1 - Math.floor(component / columns)) * down,
];

/** The component at a place, or -1. */
function componentAt({ layers, columns, across, down }: Grid, x: number, y: number): number {
  const [column, layer] = [Math.floor((x - left) / across), layers - 1 - Math.floor((y - top) / down)];
  return column >= 0 && column < columns && layer >= 0 && layer < layers ? layer * columns + column : -1;
}

interface Shown {
  grid: Grid;
  by: UseBy;
  first: Float32Array;
  second: Float32Array | null;
  chosen: readonly number[];
}

interface CellsProps {
  grid: Grid;
  shown: Shown;
  theme: Theme;
  place: number;
  words: string;
  onPlace(component: number): void;
  onToggle(component: number): void;
}

function Cells({ grid, shown, theme, place, words, onPlace, onToggle }: CellsProps) {
  const [focused, setFocused] = useState(false);
  const { layers, columns, across, down } = grid;
  const [width, height, last] = [left + across * columns, top + down * layers, layers * columns - 1];
  const { first, second, chosen } = shown;
  const canvas = useCanvas(width, height, theme, (paint) => paintCells(paint, shown, theme, focused ? place : -1), [first, second, across, down, layers, columns, chosen.join(), place, focused]);
  const under = (event: MouseEvent): number => {
    const { left: x, top: y } = (event.currentTarget as Element).getBoundingClientRect();
    return componentAt(grid, event.clientX - x, event.clientY - y);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: columns, ArrowDown: -columns }[event.key];
    if (step !== undefined) onPlace(Math.max(0, Math.min(last, place + step)));
    else if (event.key === "Enter" || event.key === " ") onToggle(place);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class="sw-study-map"
      data-testid="use-cells"
      tabIndex={0}
      role="slider"
      aria-label="Heads and MLPs by layer; arrows go from one to the next, Enter holds the prompts that use it"
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={place}
      aria-valuetext={words}
      onKeyDown={onKeyDown}
      onFocus={() => setFocused(true)}
      onBlur={() => setFocused(false)}
      onPointerMove={(event) => under(event) >= 0 && onPlace(under(event))}
      onClick={(event) => under(event) >= 0 && onToggle(under(event))}
    >
      <canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} aria-hidden="true" />
    </div>
  );
}

function paintCells({ context, colour }: Paint, { grid, first, second, chosen }: Shown, theme: Theme, focused: number): void {
  const { layers, columns, across, down } = grid;
  context.font = "10.5px system-ui, sans-serif";
  context.lineWidth = 2;
  for (let component = 0; component < layers * columns; component += 1) {
    const [x, y] = cornerOf(grid, component);
    const index = second ? signedIndex(first[component] - second[component] || 0) : amountIndex(first[component] || 0);
    context.fillStyle = shadeAt(theme, index);
    context.fillRect(x, y, across - 1, down - 1);
    if (!chosen.includes(component) && component !== focused) continue;
    context.strokeStyle = colour(chosen.includes(component) ? "--off" : "--text");
    context.strokeRect(x, y, across - 1, down - 1);
  }
  const heads = columns - 1;
  context.fillStyle = colour("--quiet");
  for (let head = 0; head < heads; head += heads > 16 ? 4 : 1) context.fillText(String(head), left + head * across + across / 2 - 3, top - 6);
  if (across >= 20 || heads <= 16) context.fillText("MLP", left + heads * across, top - 6);
  for (let layer = 0; layer < layers; layer += layers > 20 ? 5 : 1) {
    context.fillText(String(layer), 4, cornerOf(grid, layer * columns)[1] + down / 2 + 4);
  }
}

/** "Head 4.3: used by 20% of the prompts". */
function inWords(component: number, { grid, by, first, second, chosen }: Shown): string {
  const one = formatShare(first[component] || 0);
  const shares = second ? `A ${one}, B ${formatShare(second[component] || 0)}` : one;
  const said = by === "use" ? `used by ${shares} of the prompts` : `holds ${shares} of its edges`;
  return `${componentLabel(component, grid.columns)}: ${said}${chosen.includes(component) ? ", filtered" : ""}`;
}

/** "Head 4.3" or "MLP 4". */
export const componentLabel = (component: number, columns: number): string => {
  const [layer, column] = [Math.floor(component / columns), component % columns];
  return column === columns - 1 ? `MLP ${layer}` : `Head ${layer}.${column}`;
};
