import { otherRows, topToken, type Reading, type TokenRow } from "../reading";
import { formatChange, formatProbability, visibleToken } from "../scales";

interface Props {
  reading: Reading;
}

/** The next token's probabilities, subgraph over full model. */
export function NextToken({ reading }: Props) {
  const { rows, others, outside } = reading;
  // Without enough edges all tokens are about equally probable: then none leads.
  const top = topToken(reading);
  const leader = top.probability >= 0.001 ? top : null;
  const longest = Math.max(...[...rows, ...others].flatMap((row) => [row.probability, row.fullProbability]), 0.05);
  const draw = (row: TokenRow) => <Row key={row.id} row={row} longest={longest} leads={row === leader} />;
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
        <tbody>{rows.map(draw)}</tbody>
        <tbody>
          <tr class="sw-others">
            <th colSpan={4} scope="rowgroup">
              {leader && others.includes(leader) ? "The subgraph says instead" : "Other tokens of the subgraph"}
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

function Row({ row, longest, leads }: { row: TokenRow; longest: number; leads: boolean }) {
  const change = row.probability - row.fullProbability;
  const changeText = formatChange(change);
  const token = visibleToken(row.token);
  return (
    <tr data-testid="head-row" data-token={row.token} data-probability={row.probability}>
      <th scope="row">
        <bdi class={leads ? "sw-chip sw-chip-leads" : "sw-chip"} title={leads ? `${token}: the subgraph's top token` : token}>
          {token}
        </bdi>
      </th>
      <td class="sw-bars" title={`full model ${formatProbability(row.fullProbability)}`}>
        <i class="sw-bar-subgraph" style={{ width: `${(100 * row.probability) / longest}%` }} />
        <i class="sw-bar-full" style={{ width: `${(100 * row.fullProbability) / longest}%` }} />
      </td>
      <td>{formatProbability(row.probability)}</td>
      <td class={changeText === "0" ? "sw-note" : change > 0 ? "sw-gain" : "sw-loss"}>{changeText}</td>
    </tr>
  );
}
