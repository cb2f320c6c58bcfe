import { isFlat, otherRows, topToken } from "../logic/reading";
import { formatChange, formatProbability } from "../logic/scales";
import { chipColumns, fitted, tokenNames } from "../logic/tokenText";
import type { TopToken } from "../protocol/types";
import type { ViewProps } from "./props";

/** The next token's probabilities, subgraph over full model. */
export function NextToken({ shown: { reading } }: Pick<ViewProps, "shown">) {
  const { rows, others, outside } = reading;
  const top = topToken(reading);
  const leader = isFlat(top.probability) ? null : top;
  const longest = Math.max(...[...rows, ...others].flatMap((row) => [row.probability, row.full_probability]), 0.05);
  const listed = [...rows, ...others];
  const names = tokenNames(listed.map((row) => row.token));
  const chips = fitted(names, chipColumns);
  const draw = (row: TopToken) => {
    const place = listed.indexOf(row);
    return <Row key={row.id} row={row} name={names[place]} chip={chips[place]} longest={longest} leads={row === leader} />;
  };
  return (
    <section role="group" class="sw-next" data-state={reading.state} aria-label="Next token">
      <table>
        <colgroup>
          <col class="sw-column-token" />
          <col />
          <col class="sw-column-figure" />
          <col class="sw-column-figure" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col" colSpan={2} class="sw-title">Next token</th>
            <th scope="col">subgraph</th>
            <th scope="col">change</th>
          </tr>
        </thead>
        <tbody class={leader ? undefined : "sw-flat"}>{rows.map(draw)}</tbody>
        <tbody class={leader ? undefined : "sw-flat"}>
          <tr class="sw-others">
            <th colSpan={4} scope="rowgroup">
              {othersTitle(leader, others)}
            </th>
          </tr>
          {others.map(draw)}
          {Array.from({ length: otherRows - others.length }, (_, index) => (
            // Kept free, so that nothing below jumps while the size is dragged.
            <tr key={`free-${index}`} aria-hidden="true"><td colSpan={4} /></tr>
          ))}
        </tbody>
      </table>
      <p class="sw-legend">
        <span><i class="sw-bar-subgraph" /> subgraph</span>
        <span><i class="sw-bar-full" /> full model</span>
        <span class="sw-outside">outside the list <b>{formatProbability(outside)}</b></span>
      </p>
    </section>
  );
}

function othersTitle(leader: TopToken | null, others: TopToken[]): string {
  if (!leader) return "No token leads: none is above 0.001";
  return others.includes(leader) ? "The subgraph says instead" : "Other tokens of the subgraph";
}

interface RowProps {
  row: TopToken;
  name: string;
  /** The name, cut to the room that there is. */
  chip: string;
  /** The probability of the longest bar. */
  longest: number;
  leads: boolean;
}

function Row({ row, name, chip, longest, leads }: RowProps) {
  const change = row.probability - row.full_probability;
  const changeText = formatChange(change);
  return (
    <tr data-testid="token-row" data-token={row.token} data-probability={row.probability}>
      <th scope="row">
        <bdi class={leads ? "sw-chip sw-chip-leads" : "sw-chip"} title={leads ? `${name}: the subgraph's top token` : name}>
          {chip}
        </bdi>
      </th>
      <td class="sw-bars" title={`full model ${formatProbability(row.full_probability)}`}>
        <i class="sw-bar-subgraph" style={{ width: `${(100 * row.probability) / longest}%` }} />
        <i class="sw-bar-full" style={{ width: `${(100 * row.full_probability) / longest}%` }} />
      </td>
      <td>{formatProbability(row.probability)}</td>
      <td class={changeText === "0" ? "sw-note" : change > 0 ? "sw-gain" : "sw-loss"}>{changeText}</td>
    </tr>
  );
}
