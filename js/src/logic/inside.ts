// What was seen inside a subgraph, as it is read on screen.
import type { HeadInside, Inside, ViewState } from "../protocol/types";
import { formatProbability, formatSigned } from "./scales";

export const models = ["full model", "subgraph"] as const;

/** What a component writes directly, in the full model and in the subgraph; null where that cannot be said. */
export function directOf(inside: Inside, { n_layers, n_heads }: ViewState, index: number): [number, number] | null {
  const cells = n_layers * (n_heads + 1);
  return inside.direct.length === 2 * cells ? [inside.direct[index], inside.direct[cells + index]] : null;
}

/** How many tokens the pattern of a head has. */
export const patternSize = ({ attention }: HeadInside): number => Math.round(Math.sqrt(attention.length / 2));

/** The probability, 0 to 1, with which a head attends from a target to a source of the pattern, in a model. */
export const attendedTo = (head: HeadInside, model: number, target: number, source: number): number =>
  head.attention[(model * patternSize(head) + target) * patternSize(head) + source] / 255;

/** The sources to which the last token attends most, as indices of the pattern. */
export function mostAttended(head: HeadInside, model: number, n: number): number[] {
  const last = patternSize(head) - 1;
  const sources = Array.from({ length: last + 1 }, (_, source) => source);
  return sources
    .filter((source) => attendedTo(head, model, last, source) > 0)
    .sort((a, b) => attendedTo(head, model, last, b) - attendedTo(head, model, last, a))
    .slice(0, n);
}

/** The logit lens as cells: after which layer, then token, probability and logit of both. */
export const lensRows = (inside: Inside, name: (token: string) => string): string[][] =>
  inside.layers.map(({ full, subgraph }, row) => [
    row === 0 ? "embeddings" : `layer ${row - 1}`,
    ...[full, subgraph].flatMap(({ token, probability, logit }) => [name(token), formatProbability(probability), formatSigned(logit)]),
  ]);
