// The order of the table of prompts.
import { valuesOf, type Prompts } from "./prompts";
import type { About } from "./filters";

export interface Sort {
  /** A column of the table: "text", "kind", "model", "top1", or what has numbers. */
  key: string;
  descending: boolean;
}

const texts: Record<string, (prompts: Prompts) => readonly string[]> = {
  text: ({ texts: shown }) => shown,
  kind: ({ kinds }) => kinds,
  top1: ({ top1 }) => top1,
};

/** All rows in order; those without a value last, equal ones as they came. */
export function sorted(prompts: Prompts, sort: Sort | null, about: About): Int32Array {
  const rows = Int32Array.from({ length: prompts.n }, (_, row) => row);
  if (!sort) return rows;
  const sign = sort.descending ? -1 : 1;
  const column = sort.key === "model" ? null : texts[sort.key]?.(prompts);
  if (column) return rows.sort((a, b) => sign * (column[a] < column[b] ? -1 : column[a] > column[b] ? 1 : 0) || a - b);
  const numbers = sort.key === "model" ? prompts.models : valuesOf(prompts, about.study, sort.key, about.run, about.criterion);
  const missing = (row: number) => Number.isNaN(numbers[row]);
  return rows.sort((a, b) => Number(missing(a)) - Number(missing(b)) || sign * (numbers[a] - numbers[b]) || a - b);
}

/** The rows of a group, in order. */
export const shownRows = (order: Int32Array, mask: Uint8Array): Int32Array => order.filter((row) => mask[row]);
