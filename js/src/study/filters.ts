// Which prompts a group holds: what is asked of them in each view, all of it together.
import { valuesOf, type Prompts } from "./prompts";
import type { StudyState } from "../protocol/study";

/** A part of the scatter plot. */
export interface Box {
  x: string;
  y: string;
  /** From and to, in the axis' own numbers. */
  xs: [number, number];
  ys: [number, number];
}

/** Curves that pass through a part of the plot: at one of these sizes at least. */
export interface Passing {
  /** Places of sizes, and total variations: from and to. */
  sizes: [number, number];
  errors: [number, number];
}

/** A head or an MLP that a prompt's trace must have an edge of. */
export interface Using {
  model: number;
  component: number;
  /** The place of the size at which it is used. */
  size: number;
}

export interface Filters {
  search: string;
  /** Any of these; none is all. */
  kinds: readonly string[];
  languages: readonly string[];
  models: readonly number[];
  box: Box | null;
  passing: Passing | null;
  using: readonly Using[];
}

export const noFilters: Filters = { search: "", kinds: [], languages: [], models: [], box: null, passing: null, using: [] };

export const isEmpty = ({ search, kinds, languages, models, box, passing, using }: Filters): boolean =>
  !search.trim() && !kinds.length && !languages.length && !models.length && !box && !passing && !using.length;

/** What filters are about beside the prompts: the run that is shown. */
export interface About {
  study: StudyState;
  run: number;
  importance: number;
  criterion: number;
}

/** 1 for each prompt that a group holds. */
export function held(prompts: Prompts, filters: Filters, about: About): Uint8Array {
  const { n } = prompts;
  const mask = new Uint8Array(n).fill(1);
  const keep = (holds: (row: number) => boolean) => {
    for (let row = 0; row < n; row += 1) if (mask[row] && !holds(row)) mask[row] = 0;
  };
  const text = filters.search.trim().toLowerCase();
  if (text) keep((row) => prompts.searched[row].includes(text));
  if (filters.kinds.length) keep(oneOf(prompts.kinds, filters.kinds));
  if (filters.languages.length) keep(oneOf(prompts.languages, filters.languages));
  if (filters.models.length) keep(oneOf(prompts.models, filters.models));
  if (filters.box) keep(inBox(prompts, filters.box, about));
  if (filters.passing) keep(passes(prompts, filters.passing, about));
  for (const using of filters.using) keep(uses(prompts, using, about));
  return mask;
}

function oneOf<T>(column: readonly T[], values: readonly T[]): (row: number) => boolean {
  const wanted = new Set(values);
  return (row) => wanted.has(column[row]);
}

function inBox(prompts: Prompts, { x, y, xs, ys }: Box, { study, run, criterion }: About): (row: number) => boolean {
  const [across, up] = [x, y].map((key) => valuesOf(prompts, study, key, run, criterion));
  // The ends are numbers that a person reads or draws: what is as large in single precision lies inside.
  const [left, right, low, high] = [...xs, ...ys].map(Math.fround);
  return (row) => across[row] >= left && across[row] <= right && up[row] >= low && up[row] <= high;
}

function passes(prompts: Prompts, { sizes: [from, to], errors }: Passing, { study, run }: About): (row: number) => boolean {
  const [low, high] = errors.map(Math.fround);
  const [curves, width] = [prompts.curves[run], study.sizes.length];
  return (row) => {
    for (let at = row * width + from; at <= row * width + to; at += 1) if (curves[at] >= low && curves[at] <= high) return true;
    return false;
  };
}

function uses(prompts: Prompts, { model, component, size }: Using, { importance }: About): (row: number) => boolean {
  const use = prompts.use[importance][size];
  return (row) => prompts.models[row] === model && use[row * prompts.components + component] > 0;
}

/** Those that are not in a group. */
export const rest = (mask: Uint8Array): Uint8Array => mask.map((one) => 1 - one);

export const count = (mask: Uint8Array): number => mask.reduce((sum, one) => sum + one, 0);

export const rowsOf = (mask: Uint8Array): number[] => {
  const rows: number[] = [];
  mask.forEach((one, row) => one && rows.push(row));
  return rows;
};
