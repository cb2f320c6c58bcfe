import { useState } from "preact/hooks";
import { travel } from "../hooks/travel";
import { choose, roleOf, withoutTarget, type Role } from "../logic/question";
import { isFlat, otherRows, topToken } from "../logic/reading";
import { formatChange, formatProbability } from "../logic/scales";
import { settingsOf } from "../logic/settings";
import { chipColumns, fitted, tokenNames } from "../logic/tokenText";
import type { TopToken } from "../protocol/types";
import { Asked } from "./Asked";
import type { ViewProps } from "./props";
import { RoleMark } from "./RoleMark";

/** The next token's probabilities, subgraph over full model; with a kernel, tokens are chosen as target and foil. */
export function NextToken({ model, viewState, shown: { reading, live }, conversation }: ViewProps) {
  const { rows, others, outside } = reading;
  const { trace } = travel(model, conversation, live);
  const busy = conversation.asking === "trace" || conversation.asking === "refine";
  const settings = settingsOf(viewState);
  const clear = () => !busy && void trace(withoutTarget(settings));
  const [focused, setFocused] = useState<number | null>(null);
  const top = topToken(reading);
  const leader = isFlat(top.probability) ? null : top;
  const longest = Math.max(...[...rows, ...others].flatMap((row) => [row.probability, row.full_probability]), 0.05);
  const listed = [...rows, ...others];
  const names = tokenNames(listed.map((row) => row.token));
  const chips = fitted(names, chipColumns);
  const stop = Math.max(0, listed.findIndex(({ id }) => id === focused)); // one tab stop for all of them
  const draw = (row: TopToken) => {
    const place = listed.indexOf(row);
    const choice = live ? { stop: place === stop, busy, onChoose: () => !busy && void trace(choose(settings, row.id)), onFocus: () => setFocused(row.id) } : null;
    return <Row key={row.id} row={row} name={names[place]} chip={chips[place]} longest={longest} leads={row === leader} role={roleOf(viewState.question, row.id)} choice={choice} />;
  };
  const pressKey = (event: KeyboardEvent) => {
    const section = event.currentTarget as HTMLElement;
    if (event.key === "Escape" && settings.target) clear();
    else if (!moveFocus(section, event)) return;
    event.preventDefault();
  };
  return (
    <section role="group" class="sw-next" data-state={reading.state} aria-label="Next token" onKeyDown={pressKey}>
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
      <Legend outside={outside} />
      <Asked viewState={viewState} enabled={live} onClear={clear} />
    </section>
  );
}

function Legend({ outside }: { outside: number }) {
  return (
    <p class="sw-legend">
      <span><i class="sw-bar-subgraph" /> subgraph</span>
      <span><i class="sw-bar-full" /> full model</span>
      <span class="sw-outside">outside the list <b>{formatProbability(outside)}</b></span>
    </p>
  );
}

/** By the arrows, from token to token; whether a key did that. */
function moveFocus(section: HTMLElement, { key, ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
  const buttons = [...section.querySelectorAll<HTMLElement>(".sw-choose")];
  const at = buttons.findIndex((button) => button.matches(":focus"));
  const target = ({ ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 } as Record<string, number>)[key];
  if (at < 0 || target === undefined || ctrlKey || metaKey || altKey) return false;
  buttons[Math.min(buttons.length - 1, Math.max(0, target))].focus({ focusVisible: true });
  return true;
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
  /** What it is in the question. */
  role: Role | null;
  /** How it becomes target or foil; null where that is not possible. */
  choice: { stop: boolean; busy: boolean; onChoose(): void; onFocus(): void } | null;
}

function Row({ row, name, chip, longest, leads, role, choice }: RowProps) {
  const change = row.probability - row.full_probability;
  const changeText = formatChange(change);
  const look = leads ? "sw-chip sw-chip-leads" : "sw-chip";
  const title = `${name}${leads ? ": the subgraph's top token" : ""}${role ? `, the ${role}` : ""}`;
  return (
    <tr data-testid="token-row" data-token={row.token} data-probability={row.probability}>
      <th scope="row">
        <RoleMark role={role} />
        {choice ? (
          <button
            type="button"
            class={`sw-choose ${look}`}
            data-testid="choose-token"
            aria-pressed={role !== null}
            aria-disabled={choice.busy || undefined}
            tabIndex={choice.stop ? 0 : -1}
            title={title}
            onClick={choice.onChoose}
            onFocus={choice.onFocus}
          >
            <bdi>{chip}</bdi>
            {role && <span class="sw-unseen">, {role}</span>}
          </button>
        ) : (
          <bdi class={look} title={title}>
            {chip}
          </bdi>
        )}
        {role && !choice && <span class="sw-unseen">, {role}</span>}
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
