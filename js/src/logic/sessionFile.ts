// A session as a file: everything a person did, none of the model. Python writes and reads the same one.
import type { Bundle, History, Settings, Step, Toggles, Tried } from "../protocol/state";
import { settingsOf } from "./settings";
import { parseKey } from "./toggles";

const format = "strace-session";
const version = 1;

export interface SessionFile extends Step {
  format: typeof format;
  version: typeof version;
  model: string;
  history: History | Record<string, never>;
}

export const sessionFile = (bundle: Bundle, n_edges: number, toggles: Toggles, history: SessionFile["history"]): SessionFile => ({
  format,
  version,
  model: bundle.model,
  settings: settingsOf(bundle),
  n_edges,
  toggles,
  history,
});

/** "strace The Eiffel Tower is.json", without what file systems refuse. */
export function fileName({ settings }: Step): string {
  const words = settings.prompt.replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  return `strace ${[...words].slice(0, 40).join("").trim() || "session"}.json`;
}

/** The session in a file's text; throws an error with a sentence for the person. */
export function parseSession(text: string, bundle: Bundle): SessionFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error("This file is no session: it is not JSON.");
  }
  if (!isObject(content)) throw new Error("This file is no session: it holds no object.");
  if (content.format !== format) throw new Error(`This file is no session: its format is ${quote(content.format)}, not "${format}".`);
  if (content.version !== version) {
    throw new Error(`This session has version ${quote(content.version)}; this package reads version ${version}.`);
  }
  if (content.model !== bundle.model) {
    throw new Error(`This session was saved with the model ${quote(content.model)}, but this view shows ${quote(bundle.model)}.`);
  }
  const history = content.history ?? {};
  if (!isStep(content, bundle)) throw new Error(`This session is damaged: its ${damage(content, bundle)}.`);
  if (!isHistory(history, bundle)) throw new Error("This session is damaged: its history does not hold what a history holds.");
  const { settings, n_edges, toggles } = content;
  return { format, version, model: bundle.model, settings: settingsOf(settings), n_edges, toggles, history };
}

type Loose = Record<string, unknown>;

const isObject = (value: unknown): value is Loose => typeof value === "object" && value !== null && !Array.isArray(value);
const isWhole = (value: unknown): value is number => Number.isInteger(value);
const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number";

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

const isSettings = (value: unknown): value is Settings =>
  isObject(value) && isText(value.prompt) && isText(value.importance) && isText(value.masks) && isWhole(value.position);

const isEdges = (value: unknown): value is number => isWhole(value) && value >= 1;

const isToggles = (value: unknown, { n_layers, n_heads }: Bundle): value is Toggles =>
  isObject(value) &&
  Object.entries(value).every(([key, state]) => {
    const { layer, head } = parseKey(key);
    return /^\d+\.(\d+|mlp)$/.test(key) && layer < n_layers && (head === "mlp" || head < n_heads) && (state === "on" || state === "off");
  });

const isStep = (value: unknown, bundle: Bundle): value is Step =>
  isObject(value) && isSettings(value.settings) && isEdges(value.n_edges) && isToggles(value.toggles, bundle);

function damage({ settings, n_edges }: Loose, { n_layers, n_heads }: Bundle): string {
  if (!isSettings(settings)) return "settings lack a prompt, an importance, masks or a position";
  if (!isEdges(n_edges)) return `number of edges is ${quote(n_edges)}`;
  return `toggles name a component that a model of ${n_layers} layers with ${n_heads} heads does not have, or a state other than on and off`;
}

const isHeadToken = (value: unknown): boolean =>
  isObject(value) && isWhole(value.id) && isText(value.token) && isNumber(value.probability) && isNumber(value.full_probability);

const isTried = (value: unknown, bundle: Bundle): value is Tried =>
  isObject(value) &&
  isStep(value, bundle) &&
  isText((value as Loose).name) &&
  isText((value as Loose).top) &&
  ["edges_kept", "total_variation", "probability"].every((field) => isNumber((value as unknown as Loose)[field])) &&
  Array.isArray((value as Loose).head) &&
  ((value as unknown as Loose).head as unknown[]).every(isHeadToken);

const isHistory = (value: unknown, bundle: Bundle): value is SessionFile["history"] =>
  isObject(value) &&
  (Object.keys(value).length === 0 ||
    (value.version === 1 &&
      Array.isArray(value.steps) &&
      value.steps.every((step) => isStep(step, bundle)) &&
      isWhole(value.at) &&
      value.at >= -1 &&
      value.at < value.steps.length &&
      Array.isArray(value.tried) &&
      value.tried.every((tried) => isTried(tried, bundle))));
