// What the group at hand is filtered by, and what it is compared with.
import { formatCount, formatSize } from "../logic/scales";
import { isEmpty, noFilters, type About } from "./filters";
import { valuesWithCounts, type Prompts } from "./prompts";
import type { Compared, Groups } from "./useGroups";
import { componentLabel } from "./UseMap";

interface Props {
  prompts: Prompts;
  about: About;
  groups: Groups;
}

const mostKinds = 12;

export function GroupBar({ prompts, about, groups }: Props) {
  const { filters, filter } = groups;
  return (
    <div class="sw-study-bar">
      <div class="sw-study-choices">
        <label class="sw-study-search">
          <span class="sw-unseen">Search prompts</span>
          <input type="text" placeholder="Search prompts" value={filters.search} data-testid="search" onInput={(event) => filter({ search: event.currentTarget.value })} />
        </label>
        <Sizes groups={groups} />
        <label>
          compared with{" "}
          <select value={groups.compared} data-testid="compared" onChange={(event) => groups.compare(event.currentTarget.value as Compared)}>
            <option value="nothing">nothing</option>
            <option value="rest">all other prompts</option>
            <option value="second">a second group</option>
          </select>
        </label>
      </div>
      <Chosen name="Kind" values={valuesWithCounts(prompts.kinds)} chosen={filters.kinds} onChange={(kinds) => filter({ kinds })} />
      <Chosen name="Language" values={valuesWithCounts(prompts.languages)} chosen={filters.languages} onChange={(languages) => filter({ languages })} />
      {about.study.models.length > 1 && (
        <Chosen
          name="Model"
          values={valuesWithCounts(prompts.models.map((model) => about.study.models[model].name))}
          chosen={filters.models.map((model) => about.study.models[model].name)}
          onChange={(names) => filter({ models: about.study.models.flatMap(({ name }, model) => (names.includes(name) ? [model] : [])) })}
        />
      )}
      <Narrowed about={about} groups={groups} />
    </div>
  );
}

/** How many prompts each group holds; of two groups a click takes one in hand. */
function Sizes({ groups }: { groups: Groups }) {
  const shown = groups.second ? [groups.first, groups.second] : [groups.first];
  return (
    <div class="sw-study-groups" role="group" aria-label="Groups">
      {shown.map(({ name, n, mask }, index) => (
        <button
          key={name}
          type="button"
          class="sw-button"
          data-testid={`group-${name}`}
          data-group={name}
          data-n={n}
          aria-pressed={groups.active === index}
          disabled={groups.compared !== "second" && index === 1}
          title={groups.compared === "second" ? `Brush and filter group ${name}` : undefined}
          onClick={() => groups.activate(index as 0 | 1)}
        >
          <i aria-hidden="true" /> {name}: {formatCount(n)}{index === 0 ? ` of ${formatCount(mask.length)}` : ""}
        </button>
      ))}
    </div>
  );
}

interface ChosenProps {
  name: string;
  values: [text: string, count: number][];
  chosen: readonly string[];
  onChange(chosen: string[]): void;
}

/** The values of a column, of which any may be wanted. */
function Chosen({ name, values, chosen, onChange }: ChosenProps) {
  if (!values.length) return null;
  return (
    <div class="sw-study-values" role="group" aria-label={name}>
      <span class="sw-note">{name}</span>
      {values.slice(0, mostKinds).map(([text, count]) => (
        <button
          key={text}
          type="button"
          class="sw-quiet"
          data-testid={`${name.toLowerCase()}-${text}`}
          aria-pressed={chosen.includes(text)}
          onClick={() => onChange(chosen.includes(text) ? chosen.filter((each) => each !== text) : [...chosen, text])}
        >
          {text || "none"} <b>{formatCount(count)}</b>
        </button>
      ))}
      {values.length > mostKinds && <span class="sw-note">and {formatCount(values.length - mostKinds)} more: search for them</span>}
    </div>
  );
}

/** What was brushed in the views, each to be taken back. */
function Narrowed({ about, groups }: Omit<Props, "prompts">) {
  const { filters, filter } = groups;
  const { study } = about;
  const parts = [
    ...(filters.box ? [{ text: "the box of the scatter plot", undo: () => filter({ box: null }) }] : []),
    ...(filters.passing ? [{ text: "curves through a box", undo: () => filter({ passing: null }) }] : []),
    ...filters.using.map((using) => ({
      text: `uses ${componentLabel(using.component, study.models[using.model].n_heads + 1)} at s = ${formatSize(study.use_sizes[using.size])}`,
      undo: () => filter({ using: filters.using.filter((each) => each !== using) }),
    })),
  ];
  if (isEmpty(filters)) return null;
  return (
    <div class="sw-study-values" role="group" aria-label="Filters">
      {parts.map(({ text, undo }) => (
        <button key={text} type="button" class="sw-quiet sw-study-part" aria-label={`Take back: ${text}`} onClick={undo}>
          {text} <span aria-hidden="true">×</span>
        </button>
      ))}
      <button type="button" class="sw-quiet" data-testid="clear-filters" onClick={() => filter(noFilters)}>
        Show all prompts
      </button>
    </div>
  );
}
