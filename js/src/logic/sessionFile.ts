// A session as a file: everything a person did, none of the model. Python writes and reads the same one.
import { defaults, version, type EffectMap, type EncodedArray, type ExplorerState, type History, type SessionFile, type Settings, type Shade, type Step, type Toggles, type TopToken, type Tried, type ViewState } from "../protocol/types";
import { decodeArray } from "../protocol/decode";
import { upgradeHistory } from "../protocol/upgrade";
import { isGroups, longestNote } from "./groups";
import { settingsOf } from "./settings";
import { shadeNames } from "./shading";
import { parseName } from "./toggles";

const format = "strace-session";

type Kept = Pick<ExplorerState, "history" | "shade" | "effects" | "groups" | "note">;

export const sessionFile = (viewState: ViewState, n_edges: number, toggles: Toggles, { history, shade, effects, groups, note }: Kept): SessionFile => ({
  format,
  version,
  model: viewState.model,
  settings: settingsOf(viewState),
  n_edges,
  toggles,
  history,
  shade,
  groups,
  note,
  ...(effects && { effects: inText(effects) }),
});

/** The same with its bytes as base64 text. */
function inText(effects: EffectMap): EffectMap {
  const { known, total_variation, logit_change } = effects;
  return { ...effects, known: asText(known), total_variation: asText(total_variation), logit_change: asText(logit_change) };
}

function asText(array: EncodedArray): EncodedArray {
  const bytes = new Uint8Array(decodeArray(array).buffer);
  return { ...array, data: btoa(String.fromCharCode(...bytes)) };
}

/** "strace The Eiffel Tower is.json", without what file systems refuse. */
export function fileName({ settings }: Step): string {
  const words = settings.prompt.replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  return `strace ${[...words].slice(0, 40).join("").trim() || "session"}.json`;
}

/** The session in a file's text; throws an error with a sentence for the person. */
export function parseSession(text: string, viewState: ViewState): SessionFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error("This file is no session: it is not JSON.");
  }
  if (!isObject(content)) throw new Error("This file is no session: it holds no object.");
  if (content.format !== format) throw new Error(`This file is no session: its format is ${quote(content.format)}, not "${format}".`);
  if (content.version !== 1 && content.version !== version) {
    throw new Error(`This session has version ${quote(content.version)}; this package reads up to version ${version}.`);
  }
  if (content.model !== viewState.model) {
    throw new Error(`This session was saved with the model ${quote(content.model)}, but this view shows ${quote(viewState.model)}.`);
  }
  const history = content.version === 1 ? upgraded(content.history ?? {}) : (content.history ?? defaults.history);
  if (!isStep(content, viewState)) throw new Error(`This session is damaged: its ${damage(content, viewState)}.`);
  if (!isHistory(history, viewState)) throw new Error("This session is damaged: its history does not hold what a history holds.");
  const { groups = [], note = "" } = content;
  if (!isGroups(groups, viewState)) throw new Error("This session is damaged: its groups do not hold a name, a colour and heads or MLPs of this model.");
  if (!isText(note) || note.length > longestNote) throw new Error(`This session is damaged: its note is no text of at most ${longestNote} characters.`);
  const { settings, n_edges, toggles, effects } = content;
  if (effects !== undefined && !isEffects(effects, viewState)) throw new Error("This session is damaged: its effects are not those of this model's heads and MLPs.");
  const shade = isText(content.shade) && Object.keys(shadeNames).includes(content.shade) ? (content.shade as Shade) : defaults.shade;
  return { format, version, model: viewState.model, settings: settingsOf(settings), n_edges, toggles, history, shade, groups, note, ...(effects && { effects }) };
}

/** A history of version 1; null where it is damaged. */
function upgraded(history: unknown): History | null {
  try {
    return upgradeHistory(history as object);
  } catch {
    return null;
  }
}

type Loose = Record<string, unknown>;

const isObject = (value: unknown): value is Loose => typeof value === "object" && value !== null && !Array.isArray(value);
const isWhole = (value: unknown): value is number => Number.isInteger(value);
const isText = (value: unknown): value is string => typeof value === "string";
const isList = (value: unknown, isElement: (element: unknown) => boolean): value is unknown[] =>
  Array.isArray(value) && value.every(isElement);
const isNumber = (value: unknown): value is number => typeof value === "number";

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

const isSettings = (value: unknown): value is Settings =>
  isObject(value) &&
  isText(value.prompt) &&
  isText(value.importance) &&
  isText(value.masks) &&
  isWhole(value.position) &&
  [value.target, value.foil, value.counterfactual].every((ids) => ids === undefined || isList(ids, isWhole)) &&
  (value.ablation === undefined || isText(value.ablation)) &&
  (value.refined === undefined || isRefined(value.refined));

const isRefined = (value: unknown): boolean =>
  isObject(value) &&
  isText(value.start) &&
  isList(
    value.refinements,
    (one) =>
      isObject(one) &&
      isNumber(one.passes) &&
      [one.masks, one.attention, one.ablation].every(isText) &&
      typeof one.gradients === "boolean",
  );

const isEdges = (value: unknown): value is number => isWhole(value) && value >= 1;

const isToggles = (value: unknown, { n_layers, n_heads }: ViewState): value is Toggles =>
  isObject(value) &&
  Object.entries(value).every(([key, state]) => {
    const named = parseName(key); // its tokens are those of another prompt, perhaps
    return named !== null && named.layer < n_layers && !(typeof named.part === "number" && named.part >= n_heads) && (state === "on" || state === "off");
  });

const isStep = (value: unknown, viewState: ViewState): value is Step =>
  isObject(value) && isSettings(value.settings) && isEdges(value.n_edges) && isToggles(value.toggles, viewState);

function damage({ settings, n_edges }: Loose, { n_layers, n_heads }: ViewState): string {
  if (!isSettings(settings)) return "settings lack a prompt, an importance, masks or a position, or how it was refined";
  if (!isEdges(n_edges)) return `number of edges is ${quote(n_edges)}`;
  return `toggles name a component that a model of ${n_layers} layers with ${n_heads} heads does not have, or a state other than on and off`;
}

const isEffects = (value: unknown, { n_layers, n_heads }: ViewState): value is EffectMap =>
  isObject(value) &&
  isText(value.answer) &&
  isText(value.rival) &&
  Object.entries({ known: "uint8", total_variation: "float32", logit_change: "float32" }).every(([name, dtype]) => isArray(value[name], dtype, n_layers * (n_heads + 1)));

/** An array whose bytes are base64 text. */
function isArray(value: unknown, dtype: string, count: number): boolean {
  if (!isObject(value) || value.dtype !== dtype || !isText(value.data)) return false;
  try {
    return decodeArray(value as unknown as EncodedArray).length === count;
  } catch {
    return false; // no base64, or no whole numbers
  }
}

const isTopToken = (value: unknown): value is TopToken =>
  isObject(value) && isWhole(value.id) && isText(value.token) && isNumber(value.probability) && isNumber(value.full_probability);

const isTried = (value: unknown, viewState: ViewState): value is Tried =>
  isObject(value) &&
  isText(value.name) &&
  isNumber(value.edges_kept) &&
  isNumber(value.total_variation) &&
  isList(value.top, isTopToken) &&
  value.top.length > 0 &&
  isStep(value, viewState);

const isHistory = (value: unknown, viewState: ViewState): value is History =>
  isObject(value) &&
  value.version === version &&
  isList(value.steps, (step) => isStep(step, viewState) && (step.groups === undefined || isGroups(step.groups, viewState))) &&
  isWhole(value.at) &&
  value.at >= -1 &&
  value.at < value.steps.length &&
  isList(value.tried, (tried) => isTried(tried, viewState));
