// What a trace is computed from, and how its choices are called.
import type { MeasureChoice, Refined, Settings } from "../protocol/types";

export const settingsOf = ({ prompt, importance, masks, position, special_tokens, refined, target, foil, counterfactual, ablation }: Settings): Settings => ({
  prompt,
  importance,
  masks,
  position,
  ...(special_tokens === false && { special_tokens }),
  ...(refined && { refined }),
  ...(target?.length && { target }),
  ...(foil?.length && { foil }),
  ...(counterfactual?.length && { counterfactual }),
  ...(ablation && ablation !== "zero" && { ablation }),
});

/** The same by another measure, which may be a refinement that was there before. */
export const byMeasure = ({ refined: _, ...settings }: Settings, importance: string, refined?: Refined): Settings => ({
  ...settings,
  importance,
  ...(refined && { refined }),
});

/** They may come in any order: from a comm, from a file. */
const fields = ["passes", "masks", "attention", "ablation", "gradients"] as const;
const sameRefined = (first?: Refined, second?: Refined): boolean =>
  first === second ||
  (first !== undefined &&
    second !== undefined &&
    first.start === second.start &&
    first.refinements.length === second.refinements.length &&
    first.refinements.every((one, index) => fields.every((name) => one[name] === second.refinements[index][name])));

/** The lists of a question. */
const asked = ["target", "foil", "counterfactual"] as const;
const sameIds = (first: readonly number[] = [], second: readonly number[] = []): boolean =>
  first.length === second.length && first.every((id, place) => id === second[place]);

export const sameSettings = (first: Settings, second: Settings): boolean =>
  first.prompt === second.prompt &&
  (first.special_tokens ?? true) === (second.special_tokens ?? true) &&
  first.importance === second.importance &&
  sameRefined(first.refined, second.refined) &&
  first.masks === second.masks &&
  (first.ablation ?? "zero") === (second.ablation ?? "zero") &&
  asked.every((name) => sameIds(first[name], second[name])) &&
  first.position === second.position;

/** The last token of a prompt whose tokens are not known yet. */
export const lastPosition = -1;

const maskedEdges: Record<string, string> = {
  all: "all edges",
  "mlp+residual": "MLP and residual edges",
};

/** What a list of modes says beside the word "masks". */
export const maskedName = (masks: string): string => maskedEdges[masks] ?? masks;
/** A mode that stands by itself. */
export const maskName = (masks: string): string => (masks in maskedEdges ? `${maskedEdges[masks]} masked` : `masks ${masks}`);

/** A measure by its name; what was refined tells how: "refined (l1, 13 + 30 passes)". */
export function measureName({ importance, refined }: Pick<Settings, "importance" | "refined">): string {
  if (!refined) return importance;
  const passes = refined.refinements.map(({ passes, masks }) => (masks === "all" ? passes : `${passes} under ${masks}`));
  return `${importance} (${[refined.start, `${passes.join(" + ")} passes`].filter(Boolean).join(", ")})`;
}

/** The measures by what they have in common, in the order in which they are offered. */
export function measureGroups(measures: readonly MeasureChoice[]): [group: string, measures: MeasureChoice[]][] {
  const groups = new Map<string, MeasureChoice[]>();
  for (const measure of measures) groups.set(measure.group, [...(groups.get(measure.group) ?? []), measure]);
  return [...groups];
}

/** The choices, with the present one among them even when Python offers it no more. */
export const withPresent = (choices: readonly string[], present: string): string[] =>
  choices.includes(present) ? [...choices] : [present, ...choices];

const shortest = 18;

/** In what settings differ from the present ones, in few words: "“The Eiffel Tower…” · l2"; "" where they do not. */
export function settingsDifference(settings: Settings, present: Settings): string {
  const text = [...settings.prompt];
  const prompt = `“${text.length > shortest ? `${text.slice(0, shortest - 1).join("")}…` : settings.prompt}”`;
  return [
    settings.prompt !== present.prompt ? prompt : settings.position !== present.position && `token ${settings.position}`,
    measureName(settings) !== measureName(present) && measureName(settings),
    settings.masks !== present.masks && maskName(settings.masks),
    !(sameIds(settings.target, present.target) && sameIds(settings.foil, present.foil)) && (settings.target ? "another target" : "no target"),
    settings.prompt === present.prompt && !sameIds(settings.counterfactual, present.counterfactual) && (settings.counterfactual ? "another counterfactual" : "no counterfactual"),
    (settings.ablation ?? "zero") !== (present.ablation ?? "zero") && (settings.ablation ?? "no patch"),
  ]
    .filter(Boolean)
    .join(" · ");
}
