// The prompts of the group at hand, some at a time, in any order; a click opens one.
import { useEffect, useMemo, useState } from "preact/hooks";
import { formatCount } from "../logic/scales";
import type { About } from "./filters";
import { shownRows, sorted, type Sort } from "./order";
import { short } from "./plots";
import { necessaryKey, valuesOf, valuesWithCounts, type Prompts } from "./prompts";
import type { Groups } from "./useGroups";

interface Props {
  prompts: Prompts;
  about: About;
  groups: Groups;
  /** The prompt whose Explorer is open, or -1. */
  opened: number;
  /** Told which rows the table has, in order. */
  onRows(rows: Int32Array): void;
  onOpen(row: number): void;
}

const atOnce = 12;

interface Column {
  key: string;
  label: string;
  title?: string;
  /** A number, or a text. */
  cell(row: number): string;
  number?: boolean;
}

export function PromptTable({ prompts, about, groups, opened, onRows, onOpen }: Props) {
  const { run, criterion } = about;
  const [sort, setSort] = useState<Sort | null>(null);
  const [page, setPage] = useState(0);
  const order = useMemo(() => sorted(prompts, sort, about), [prompts, sort, run, criterion]);
  const rows = useMemo(() => shownRows(order, groups.shown.mask), [order, groups.shown]);
  useEffect(() => onRows(rows), [rows]);
  const pages = Math.max(1, Math.ceil(rows.length / atOnce));
  const shown = Math.min(page, pages - 1);
  const visible = Array.from(rows.subarray(shown * atOnce, (shown + 1) * atOnce));
  const columns = useColumns(prompts, about);
  const turn = (key: string) => setSort((now) => (now?.key !== key ? { key, descending: false } : now.descending ? null : { key, descending: true }));
  return (
    <section class="sw-study-view sw-study-table" aria-label="Table of prompts" data-testid="prompt-table">
      <div class="sw-study-scroll" tabIndex={0} role="region" aria-label="The prompts, which scroll sideways">
        <table>
          <caption class="sw-unseen">{`Prompts of group ${groups.shown.name}`}</caption>
          <thead>
            <tr>
              {[{ key: "text", label: "Prompt" } as Column, ...columns].map(({ key, label, title, number }) => (
                <th key={key} scope="col" class={number ? "sw-number" : ""} aria-sort={sort?.key === key ? (sort.descending ? "descending" : "ascending") : "none"}>
                  <button type="button" title={title} data-testid={`sort-${key}`} onClick={() => turn(key)}>
                    {label}
                    <span aria-hidden="true">{sort?.key === key ? (sort.descending ? " ▾" : " ▴") : ""}</span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {visible.map((row) => (
              <tr key={row} data-row={row} data-open={row === opened}>
                <th scope="row">
                  <button type="button" data-testid="open-prompt" data-id={prompts.ids[row]} title={prompts.texts[row]} aria-current={row === opened || undefined} onClick={() => onOpen(row)}>
                    {prompts.texts[row]}
                  </button>
                  {prompts.reasons[row] && <span class="sw-study-failed" title={prompts.reasons[row]}>failed</span>}
                </th>
                {columns.map(({ key, cell, number }) => <td key={key} class={number ? "sw-number" : ""}>{cell(row)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="sw-study-pages">
        <button type="button" class="sw-quiet" data-testid="page-before" aria-disabled={shown === 0 || undefined} onClick={() => setPage(Math.max(0, shown - 1))}>‹ before</button>
        <span data-testid="page-rows">
          {rows.length ? `${formatCount(shown * atOnce + 1)} to ${formatCount(shown * atOnce + visible.length)} of ${formatCount(rows.length)}` : "no prompt"}
        </span>
        <button type="button" class="sw-quiet" data-testid="page-after" aria-disabled={shown >= pages - 1 || undefined} onClick={() => setPage(Math.min(pages - 1, shown + 1))}>after ›</button>
      </div>
    </section>
  );
}

/** What stands beside a prompt: texts only where they tell prompts apart. */
function useColumns(prompts: Prompts, about: About): Column[] {
  const { study, run, criterion } = about;
  return useMemo(() => {
    const numbers = (key: string, label: string, title: string): Column => {
      const values = valuesOf(prompts, study, key, run, criterion);
      return { key, label, title, number: true, cell: (row) => short(values[row]) };
    };
    return [
      ...(valuesWithCounts(prompts.kinds).length ? [{ key: "kind", label: "Kind", cell: (row: number) => prompts.kinds[row] }] : []),
      ...(study.models.length > 1 ? [{ key: "model", label: "Model", cell: (row: number) => study.models[prompts.models[row]].name }] : []),
      { key: "top1", label: "Next token", cell: (row: number) => prompts.top1[row] },
      numbers("n_tokens", "Tokens", "How many tokens the prompt has"),
      numbers("full_entropy", "Entropy", "Of the full model's prediction, in nats"),
      numbers(necessaryKey, "s needed", "The smallest size from which on the criterion holds"),
    ];
  }, [prompts, study, run, criterion]);
}
