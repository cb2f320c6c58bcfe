// The prompts of a study as columns of numbers, which grow as portions of them come.
import { decodeArray } from "../protocol/decode";
import type { StudyRows, StudyState } from "../protocol/study";

export interface Prompts {
  n: number;
  ids: string[];
  texts: string[];
  /** Id, text, kind and next token in lower case, for searching. */
  searched: string[];
  kinds: string[];
  languages: string[];
  models: number[];
  top1: string[];
  /** Why a prompt failed; "" if it did not. */
  reasons: string[];
  /** By column: one number a prompt. Arrays may be longer than there are prompts. */
  numbers: Float32Array[];
  /** By run: total variation, prompts x sizes. */
  curves: Float32Array[];
  /** By run: the mean over the sizes of the curve. */
  areas: Float32Array[];
  /** By run and criterion. */
  necessary: Float32Array[][];
  /** By importance and size: prompts x components, in 255ths. */
  use: Uint8Array[][];
  /** Heads and MLPs of the largest model. */
  components: number;
}

export function noPrompts({ columns, runs, criteria, importances, use_sizes, models }: StudyState): Prompts {
  const floats = (count: number) => Array.from({ length: count }, () => new Float32Array(0));
  return {
    n: 0,
    ids: [],
    texts: [],
    searched: [],
    kinds: [],
    languages: [],
    models: [],
    top1: [],
    reasons: [],
    numbers: floats(columns.length),
    curves: floats(runs.length),
    areas: floats(runs.length),
    necessary: runs.map(() => floats(criteria.length)),
    use: importances.map(() => use_sizes.map(() => new Uint8Array(0))),
    components: Math.max(...models.map(({ n_layers, n_heads }) => n_layers * (n_heads + 1))),
  };
}

/** The prompts with a portion more: another object, which takes over the arrays of the one before. */
export function withRows(before: Prompts, rows: StudyRows, { sizes }: StudyState): Prompts {
  const n = rows.ids.length;
  const decode = (name: keyof StudyRows["arrays"]) => decodeArray(rows.arrays[name]);
  const [numbers, curves, necessary, use] = [decode("numbers"), decode("curves"), decode("necessary"), decode("use")];
  const criteria = before.necessary[0]?.length ?? 0;
  const useSizes = before.use[0]?.length ?? 0;
  const part = <A extends Float32Array | Uint8Array>(all: A, index: number, width: number) => all.subarray(index * n * width, (index + 1) * n * width) as A;
  const grown = <A extends Float32Array | Uint8Array>(old: A, added: A, width: number) => extended(old, before.n * width, added);
  const lines = before.curves.map((_, run) => part(curves as Float32Array, run, sizes.length));
  return {
    n: before.n + n,
    ids: before.ids.concat(rows.ids),
    texts: before.texts.concat(rows.texts),
    searched: before.searched.concat(rows.ids.map((id, row) => [id, rows.texts[row], rows.kinds[row], rows.top1[row]].join("\n").toLowerCase())),
    kinds: before.kinds.concat(rows.kinds),
    languages: before.languages.concat(rows.languages),
    models: before.models.concat(Array.from({ length: n }, () => rows.model)),
    top1: before.top1.concat(rows.top1),
    reasons: before.reasons.concat(rows.reasons),
    numbers: before.numbers.map((old, column) => grown(old, part(numbers as Float32Array, column, 1), 1)),
    curves: before.curves.map((old, run) => grown(old, lines[run], sizes.length)),
    areas: before.areas.map((old, run) => grown(old, means(lines[run], sizes.length), 1)),
    necessary: before.necessary.map((of, run) => of.map((old, criterion) => grown(old, part(necessary as Float32Array, run * criteria + criterion, 1), 1))),
    use: before.use.map((of, importance) => of.map((old, size) => grown(old, part(use as Uint8Array, importance * useSizes + size, before.components), before.components))),
    components: before.components,
  };
}

/** An array with more behind its first `length` numbers; room is doubled, so that growing costs little. */
function extended<A extends Float32Array | Uint8Array>(old: A, length: number, added: A): A {
  let whole = old;
  if (length + added.length > old.length) {
    whole = new (old.constructor as new (length: number) => A)(Math.max(2 * old.length, length + added.length));
    whole.set(old.subarray(0, length));
  }
  whole.set(added, length);
  return whole;
}

function means(lines: Float32Array, width: number): Float32Array {
  const found = new Float32Array(lines.length / width);
  for (let row = 0; row < found.length; row += 1) {
    let sum = 0;
    for (let at = row * width; at < (row + 1) * width; at += 1) sum += lines[at];
    found[row] = sum / width;
  }
  return found;
}

/** What can be drawn against something else: a column, the necessary size by a criterion, or the mean error. */
export interface Axis {
  key: string;
  label: string;
  log: boolean;
}

export const necessaryKey = "necessary";
export const areaKey = "area";

export function axes({ columns }: StudyState, criterion: string): Axis[] {
  return [
    ...columns.map(({ key, label }) => ({ key, label, log: key === "n_tokens" })),
    { key: necessaryKey, label: `necessary s, for ${criterionName(criterion)}`, log: true },
    { key: areaKey, label: "mean TV over sizes", log: false },
  ];
}

/** One number a prompt. */
export function valuesOf(prompts: Prompts, study: StudyState, key: string, run: number, criterion: number): Float32Array {
  if (key === necessaryKey) return prompts.necessary[run][criterion];
  if (key === areaKey) return prompts.areas[run];
  return prompts.numbers[study.columns.findIndex((column) => column.key === key)];
}

/** What Python calls a prompt: its id, with the model where several are shown. */
export const nameOf = ({ ids, models }: Prompts, { models: studied }: StudyState, row: number): string =>
  studied.length > 1 ? `${studied[models[row]].name}/${ids[row]}` : ids[row];

/** "the top token", "the 60 % nucleus", "TV ≤ 0.1". */
export function criterionName(criterion: string): string {
  if (criterion === "top1") return "the top token";
  if (criterion === "top5") return "the five leading tokens";
  const [, kind, amount] = /^(nucleus|tv)(.*)$/.exec(criterion) ?? [];
  if (kind === "nucleus") return `the ${amount} % nucleus`;
  return kind === "tv" ? `TV ≤ ${amount}` : criterion;
}

/** The different texts of a column with how many prompts have each, the most frequent first; none where there is one alone. */
export function valuesWithCounts(texts: readonly string[]): [text: string, count: number][] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts.size < 2 ? [] : [...counts].sort((first, second) => second[1] - first[1] || (first[0] < second[0] ? -1 : 1));
}
