// What is asked of a trace: why this token rather than that one, and against which other prompt.
import type { Question, Settings, ViewState } from "../protocol/types";
import { spacelessNames, tokenNames } from "./tokenText";

export type Role = "target" | "foil";

/** What a token is in the question. */
export function roleOf(question: Question | undefined, id: number): Role | null {
  if (question?.target.some((token) => token.id === id)) return "target";
  return question?.foil.some((token) => token.id === id) ? "foil" : null;
}

/** The next question once a token is chosen: the first becomes the target, another the foil; one that is either is let go. */
export function choose({ target = [], foil = [], ...settings }: Settings, id: number): Settings {
  if (target.length === 0) return { ...settings, target: [id] };
  const left = target.filter((token) => token !== id);
  if (left.length < target.length) return left.length === 0 ? settings : { ...settings, target: left, foil };
  return { ...settings, target, foil: foil.includes(id) ? foil.filter((token) => token !== id) : [id] };
}

export const withoutTarget = ({ target: _, foil: __, ...settings }: Settings): Settings => settings;

/** The tokens by name: those that are asked for, and those that they are set against. */
export function askedNames({ target, foil }: Question): Record<Role, string> {
  const names = spacelessNames([...target, ...foil].map(({ token }) => token));
  return { target: names.slice(0, target.length).join(", "), foil: names.slice(target.length).join(", ") };
}

/** "Mary − John", which is a difference of logits, or "log p(Mary)". */
export function figureName(question: Question): string {
  const { target, foil } = askedNames(question);
  return foil ? `${target} − ${foil}` : `log p(${target})`;
}

/** What a screen reader is told of it. */
export function questionText({ question }: ViewState): string {
  if (!question?.target.length) return "no target";
  const { target, foil } = askedNames(question);
  return foil ? `target ${target}, foil ${foil}` : `target ${target}`;
}

/** A prompt's tokens beside those of its counterfactual; a name tells apart all that differ. */
export function paired({ all_tokens: tokens, question }: ViewState): { names: string[]; others: string[]; differ: boolean[] } {
  const others = question?.counterfactual ?? [];
  const names = tokenNames([...tokens, ...others]);
  return { names: names.slice(0, tokens.length), others: names.slice(tokens.length), differ: others.map((other, index) => other !== tokens[index]) };
}

const carried: Record<string, string> = { zero: "nothing", mean: "a mean", patch: "the counterfactual's", "patch values": "its values alone" };

/** What dropped edges carry, in a list of choices. */
export const ablationName = (ablation: string): string => carried[ablation] ?? ablation;
