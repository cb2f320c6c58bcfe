// A study of six prompts, two of a kind each; the last one failed.
import type { EncodedArray } from "../src/protocol/types";
import type { StudyPage, StudyRows, StudyState } from "../src/protocol/study";

export const makeStudy = (): StudyState => ({
  title: "Study of tiny",
  models: [{ name: "tiny", n_layers: 2, n_heads: 2, opens: "kept" }],
  runs: [
    { importance: "l1", masks: "all" },
    { importance: "l2", masks: "all" },
  ],
  importances: ["l1", "l2"],
  sizes: [0.01, 0.1, 1],
  use_sizes: [0.01, 0.1],
  criteria: ["top1", "tv0.1"],
  columns: [
    { key: "full_entropy", label: "entropy, in nats" },
    { key: "n_tokens", label: "tokens" },
  ],
  n_asked: 6,
});

const floats = (...shape: number[]) => (values: number[]): EncodedArray => ({ dtype: "float32", shape, data: Float32Array.from(values).buffer });

/** Prompts from one to another: what each has follows from its number. */
export function makeRows(from: number, to: number): StudyRows {
  const rows = Array.from({ length: to - from }, (_, index) => from + index);
  const failed = (row: number) => row === 5;
  const even = (row: number) => row % 2 === 0;
  const known = (row: number, value: number) => (failed(row) ? NaN : value);
  const curve = (row: number) => [even(row) ? 1 : 0.9, 0.5, 0].map((error) => known(row, error));
  const use = (row: number, size: number) => [size && row > 0 && !failed(row) ? 1 : 0, 0, even(row) && size ? 255 : 0, 0, 0, 0];
  const n = rows.length;
  return {
    model: 0,
    ids: rows.map((row) => `p${row}`),
    texts: rows.map((row) => `Text ${row}`),
    kinds: rows.map((row) => (even(row) ? "even" : "odd")),
    languages: rows.map(() => "en"),
    top1: rows.map((row) => ` Paris ${row}`),
    reasons: rows.map((row) => (failed(row) ? "too long" : "")),
    arrays: {
      numbers: floats(2, n)([...rows.map((row) => known(row, row)), ...rows.map((row) => known(row, 3))]),
      curves: floats(2, n, 3)([...rows.flatMap(curve), ...rows.flatMap(curve)]),
      necessary: floats(2, 2, n)(Array.from({ length: 4 }, () => rows.map((row) => known(row, even(row) ? 1 : 0.1))).flat()),
      use: { dtype: "uint8", shape: [2, 2, n, 6], data: Uint8Array.from([0, 1, 0, 1].flatMap((size) => rows.flatMap((row) => use(row, size)))).buffer },
    },
  };
}

export const makePage = (): StudyPage => ({ study: makeStudy(), rows: [makeRows(0, 2), makeRows(2, 6)], kept: [] });
