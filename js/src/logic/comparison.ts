// Two tried subgraphs side by side.
import type { Toggles, Tried } from "../protocol/types";
import { byPlace } from "./toggles";

export interface ComparedToken {
  id: number;
  token: string;
  /** Of the first and the second subgraph; null where a token is not among its leading ones. */
  probabilities: [number | null, number | null];
  /** Of the full model at either one's position. */
  full: [number | null, number | null];
}

const mostRows = 12;

/** The leading tokens of both, the most probable first; `sameModel` when both are held against one full distribution. */
export function sideBySide(first: Tried, second: Tried): { rows: ComparedToken[]; sameModel: boolean } {
  const sameModel = first.settings.prompt === second.settings.prompt && first.settings.position === second.settings.position;
  const ids = [...new Set([...first.top, ...second.top].map(({ id }) => id))];
  const rows = ids.map((id): ComparedToken => {
    const [one, other] = [first, second].map(({ top }) => top.find((row) => row.id === id));
    const full = [one?.full_probability ?? null, other?.full_probability ?? null];
    return {
      id,
      token: (one ?? other)?.token ?? "",
      probabilities: [one?.probability ?? null, other?.probability ?? null],
      full: sameModel ? [full[0] ?? full[1], full[1] ?? full[0]] : [full[0], full[1]],
    };
  });
  const largest = ({ probabilities }: ComparedToken) => Math.max(...probabilities.map((probability) => probability ?? 0));
  rows.sort((one, other) => largest(other) - largest(one));
  return { rows: rows.slice(0, mostRows), sameModel };
}

/** Toggles that two states set differently, each with both settings. */
export const differingToggles = (first: Toggles, second: Toggles): { key: string; first: string; second: string }[] =>
  [...new Set([...Object.keys(first), ...Object.keys(second)])]
    .filter((key) => first[key] !== second[key])
    .sort(byPlace)
    .map((key) => ({ key, first: first[key] ?? "auto", second: second[key] ?? "auto" }));
