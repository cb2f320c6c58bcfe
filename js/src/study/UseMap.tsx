// Which heads and MLPs a group's prompts use, the first layer at the bottom; a click holds the prompts that use one.
import { useMemo, useState } from "preact/hooks";
import { useWidth } from "../hooks/useWidth";
import { amountIndex, formatShare, formatSize, rampGradient, shadeAt, signedIndex, type Theme } from "../logic/scales";
import { meanUse, type UseBy } from "./aggregates";
import type { About } from "./filters";
import type { Prompts } from "./prompts";
import { useCanvas } from "./useCanvas";
import type { Groups } from "./useGroups";

interface Props {
  prompts: Prompts;
  about: About;
  groups: Groups;
  theme: Theme;
}

const left = 28;
const top = 18;

export function UseMap({ prompts, about, groups, theme }: Props) {
  const { study, importance } = about;
  const [chosenSize, setSize] = useState(Math.floor(study.use_sizes.length / 2));
  const [model, setModel] = useState(0);
  const [by, setBy] = useState<UseBy>("use");
  const [at, setAt] = useState(0);
  const [focused, setFocused] = useState(false);
  const { n_layers: layers, n_heads: heads } = study.models[model];
  const [columns, size] = [heads + 1, Math.min(chosenSize, study.use_sizes.length - 1)];
  const [ref, outer] = useWidth<HTMLDivElement>(420);
  const across = Math.max(4, Math.min(28, Math.floor((outer - left) / columns)));
  const down = Math.max(5, Math.min(16, Math.floor(300 / layers)));
  const use = prompts.use[importance][size];
  const first = useMemo(() => meanUse(prompts, use, groups.first.mask, model, by), [prompts, use, groups.first, model, by]);
  const second = useMemo(() => groups.second && meanUse(prompts, use, groups.second.mask, model, by), [prompts, use, groups.second, model, by]);
  const chosen = groups.filters.using.filter((each) => each.model === model && each.size === size).map(({ component }) => component);
  const place = Math.min(at, layers * columns - 1);
  const canvas = useCanvas(left + across * columns, top + down * layers, theme, ({ context, colour }) => {
    context.font = "10.5px system-ui, sans-serif";
    for (let component = 0; component < layers * columns; component += 1) {
      const [x, y] = [left + (component % columns) * across, top + (layers - 1 - Math.floor(component / columns)) * down];
      context.fillStyle = second ? shadeAt(theme, signedIndex(first[component] - second[component] || 0)) : shadeAt(theme, amountIndex(first[component] || 0));
      context.fillRect(x, y, across - 1, down - 1);
      if (!chosen.includes(component) && !(focused && component === place)) continue;
      context.strokeStyle = colour(chosen.includes(component) ? "--off" : "--text");
      context.lineWidth = 2;
      context.strokeRect(x, y, across - 1, down - 1);
    }
    context.fillStyle = colour("--quiet");
    for (let head = 0; head < columns; head += heads > 16 ? 4 : 1) {
      if (head < heads) context.fillText(String(head), left + head * across + across / 2 - 3, top - 6);
    }
    if (across >= 20 || heads <= 16) context.fillText("MLP", left + heads * across, top - 6);
    for (let layer = 0; layer < layers; layer += layers > 20 ? 5 : 1) context.fillText(String(layer), 4, top + (layers - 1 - layer) * down + down / 2 + 4);
  }, [first, second, across, down, layers, columns, chosen.join(), place, focused]);
  const toggle = (component: number) => {
    const others = groups.filters.using.filter((each) => each.model !== model || each.size !== size || each.component !== component);
    groups.filter({ using: others.length < groups.filters.using.length ? others : [...others, { model, component, size }] });
  };
  const under = (event: MouseEvent) => {
    const { left: x, top: y } = (event.currentTarget as Element).getBoundingClientRect();
    const [column, layer] = [Math.floor((event.clientX - x - left) / across), layers - 1 - Math.floor((event.clientY - y - top) / down)];
    return column >= 0 && column < columns && layer >= 0 && layer < layers ? layer * columns + column : -1;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: columns, ArrowDown: -columns }[event.key];
    if (step !== undefined) setAt(Math.max(0, Math.min(layers * columns - 1, place + step)));
    else if (event.key === "Enter" || event.key === " ") toggle(place);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const words = (component: number) => {
    const shares = second ? `A ${formatShare(first[component] || 0)}, B ${formatShare(second[component] || 0)}` : formatShare(first[component] || 0);
    return `${componentLabel(component, columns)}: ${by === "use" ? "used by" : "holds"} ${shares} ${by === "use" ? "of the prompts" : "of its edges"}${chosen.includes(component) ? ", filtered" : ""}`;
  };
  return (
    <section class="sw-study-view" aria-label="Use of heads and MLPs" data-testid="use-map">
      <div class="sw-study-choices">
        <h3 class="sw-title">Heads and MLPs</h3>
        <label>
          at s ={" "}
          <select value={size} data-testid="use-size" onChange={(event) => setSize(Number(event.currentTarget.value))}>
            {study.use_sizes.map((each, index) => <option key={each} value={index}>{formatSize(each)}</option>)}
          </select>
        </label>
        <label>
          shows{" "}
          <select value={by} data-testid="use-by" onChange={(event) => setBy(event.currentTarget.value as UseBy)}>
            <option value="use">share of prompts that use it</option>
            <option value="density">mean share of its edges</option>
          </select>
        </label>
        {study.models.length > 1 && (
          <label>
            of{" "}
            <select value={model} data-testid="use-model" onChange={(event) => setModel(Number(event.currentTarget.value))}>
              {study.models.map(({ name }, index) => <option key={index} value={index}>{name}</option>)}
            </select>
          </label>
        )}
      </div>
      <div ref={ref}>
        <div
          class="sw-study-map"
          data-testid="use-cells"
          tabIndex={0}
          role="slider"
          aria-label="Heads and MLPs by layer; arrows go from one to the next, Enter holds the prompts that use it"
          aria-valuemin={0}
          aria-valuemax={layers * columns - 1}
          aria-valuenow={place}
          aria-valuetext={words(place)}
          onKeyDown={onKeyDown}
          onFocus={() => setFocused(true)}
          onBlur={() => setFocused(false)}
          onPointerMove={(event) => under(event) >= 0 && setAt(under(event))}
          onClick={(event) => under(event) >= 0 && toggle(under(event))}
        >
          <canvas ref={canvas} style={{ width: `${left + across * columns}px`, height: `${top + down * layers}px` }} aria-hidden="true" />
        </div>
      </div>
      <p class="sw-legend sw-study-legend">
        <i style={{ background: rampGradient(theme, second !== null) }} aria-hidden="true" /> {second ? "−100% to +100%, A − B" : "0 to 100%"}
        <span class="sw-study-words" data-testid="use-words">{words(place)}</span>
      </p>
    </section>
  );
}

/** "Head 4.3" or "MLP 4". */
export const componentLabel = (component: number, columns: number): string => {
  const [layer, column] = [Math.floor(component / columns), component % columns];
  return column === columns - 1 ? `MLP ${layer}` : `Head ${layer}.${column}`;
};
