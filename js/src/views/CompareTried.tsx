import { sideBySide, differingToggles } from "../logic/comparison";
import { ablationName } from "../logic/question";
import { formatCount, formatDistance, formatProbability } from "../logic/scales";
import { chipColumns, fitted, tokenNames } from "../logic/tokenText";
import { componentName } from "../logic/toggles";
import type { Tried } from "../protocol/types";

interface Props {
  first: Tried;
  second: Tried;
}

interface Figure {
  name: string;
  text(tried: Tried): string;
  /** Shown where the two differ in it. */
  differing?(tried: Tried): string;
}

const position = ({ settings }: Tried) => `“${settings.prompt}”, token ${settings.position}`;
const figures: Figure[] = [
  { name: "TV", text: (tried) => formatDistance(tried.total_variation) },
  { name: "edges", text: (tried) => formatCount(tried.edges_kept) },
  { name: "prompt", text: position, differing: position },
  { name: "importance", text: ({ settings }) => settings.importance, differing: ({ settings }) => settings.importance },
  { name: "masks", text: ({ settings }) => settings.masks, differing: ({ settings }) => settings.masks },
  { name: "dropped edges carry", text: ({ settings }) => ablationName(settings.ablation ?? "zero"), differing: ({ settings }) => settings.ablation ?? "zero" },
];

/** Two tried subgraphs side by side: their numbers, their leading tokens, and the toggles that differ. */
export function CompareTried({ first, second }: Props) {
  const { rows, sameModel } = sideBySide(first, second);
  const names = tokenNames(rows.map(({ token }) => token));
  const chips = fitted(names, chipColumns);
  const toggles = differingToggles(first.toggles, second.toggles);
  const longest = Math.max(...rows.flatMap(({ probabilities, full }) => [...probabilities, ...full].map((probability) => probability ?? 0)), 0.05);
  const fulls = sameModel ? [first] : [first, second];
  return (
    <div class="sw-compared" data-testid="compare-panel" role="group" aria-label={`${first.name} beside ${second.name}`} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Subgraph</th>
            <th scope="col">{first.name}</th>
            <th scope="col">{second.name}</th>
            {fulls.map((_, index) => (
              <th key={index} scope="col">full model{!sameModel && (index === 0 ? ", first" : ", second")}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {figures
            .filter(({ differing }) => !differing || differing(first) !== differing(second))
            .map(({ name, text }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{text(first)}</td>
                <td>{text(second)}</td>
                <td colSpan={fulls.length} />
              </tr>
            ))}
          {toggles.map((different) => (
            <tr key={different.key} data-testid="compare-toggle">
              <th scope="row">{componentName(different.key)}</th>
              <td>{different.first}</td>
              <td>{different.second}</td>
              <td colSpan={fulls.length} />
            </tr>
          ))}
        </tbody>
        <tbody>
          {rows.map(({ id, token, probabilities, full }, row) => (
            <tr key={id} data-testid="compare-row" data-token={token}>
              <th scope="row"><bdi class="sw-chip" title={names[row]}>{chips[row]}</bdi></th>
              {[...probabilities, ...full.slice(0, fulls.length)].map((probability, index) => <Probability key={index} probability={probability} full={index > 1} longest={longest} />)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface ProbabilityProps {
  probability: number | null;
  /** Whether it is the full model's. */
  full: boolean;
  /** The probability of the longest bar. */
  longest: number;
}

function Probability({ probability, full, longest }: ProbabilityProps) {
  if (probability === null) return <td class="sw-note" title="not among its ten leading tokens">–</td>;
  return (
    <td>
      <span class="sw-share">
        <span><i class={full ? "sw-bar-full" : "sw-bar-subgraph"} style={{ width: `${(100 * probability) / longest}%` }} /></span>
        <b>{formatProbability(probability)}</b>
      </span>
    </td>
  );
}
