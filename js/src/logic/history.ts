// Steps to go back and forth between, and what was tried: pure, and the same when two views do it twice.
import type { Evaluation, History, Step, Tried } from "../protocol/types";
import { formatSize } from "./scales";
import { sameSettings } from "./settings";
import { sameToggles, toggleGroups } from "./toggles";

const mostSteps = 100;
const mostTried = 50;
const triedTokens = 10;

/** Of groups only where both say something of them. */
export const sameStep = (first: Step, second: Step): boolean =>
  first.n_edges === second.n_edges &&
  sameToggles(first.toggles, second.toggles) &&
  sameSettings(first.settings, second.settings) &&
  (!first.groups || !second.groups || JSON.stringify(first.groups) === JSON.stringify(second.groups));

/** The history with a present state; itself where that is already its present. */
export function push(history: History, { settings, n_edges, toggles, groups }: Step): History {
  const step = { settings, n_edges, toggles, ...(groups && { groups }) };
  const present = history.steps[history.at];
  if (present && sameStep(present, step)) return history;
  // Another trace arrives from Python: undo and redo only ask for it, so that here is where they are noticed.
  if (present && !sameSettings(present.settings, settings)) {
    const neighbour = [history.at - 1, history.at + 1].find((at) => history.steps[at] && sameStep(history.steps[at], step));
    if (neighbour !== undefined) return { ...history, at: neighbour };
  }
  const steps = [...history.steps.slice(0, history.at + 1), step].slice(-mostSteps);
  return { ...history, steps, at: steps.length - 1 };
}

/** The history with an exact result; itself where that was seen before. */
export function addTried(history: History, step: Step, evaluation: Evaluation | null, allEdges: number, heads: number): History {
  if (!evaluation || evaluation.n_edges !== step.n_edges || !sameToggles(evaluation.toggles, step.toggles)) return history;
  if (evaluation.top.length === 0 || history.tried.some((tried) => sameStep(tried, step))) return history;
  const top = [...evaluation.top].sort((first, second) => second.probability - first.probability).slice(0, triedTokens);
  const tried: Tried = {
    settings: step.settings,
    n_edges: step.n_edges,
    toggles: step.toggles,
    name: stepName(step, allEdges, heads),
    edges_kept: evaluation.edges_kept,
    total_variation: evaluation.total_variation,
    top,
  };
  return { ...history, tried: [tried, ...history.tried].slice(0, mostTried) };
}

export const renameTried = (history: History, tried: Tried, name: string): History => ({
  ...history,
  tried: history.tried.map((other) => (sameStep(other, tried) ? { ...other, name } : other)),
});

export const removeTried = (history: History, tried: Tried): History => ({
  ...history,
  tried: history.tried.filter((other) => !sameStep(other, tried)),
});

/** Where Reset leads: the first step under the present settings. */
export const firstStep = (history: History, present: Step): Step | undefined =>
  history.steps.find((step) => sameSettings(step.settings, present.settings));

/** Without a kernel only the present trace can be shown, and without known results only its sizes. */
export const isReachable = (step: Step | undefined, present: Step, live: boolean, toggleable = live): step is Step =>
  step !== undefined &&
  (live || (sameSettings(step.settings, present.settings) && (toggleable || Object.keys(step.toggles).length === 0)));

const mostNamed = 3;

/** "s 0.271", "− head 21.4", "− head 21.4 + MLP 3", "− layer 2", "7 toggles". */
export function stepName({ n_edges, toggles }: Pick<Step, "n_edges" | "toggles">, allEdges: number, heads: number): string {
  const groups = toggleGroups(toggles, heads);
  if (groups.length === 0) return `s ${formatSize(n_edges / allEdges)}`;
  if (groups.length > mostNamed) return `${groups.length} toggles`;
  const inLine = (name: string) => name.replace(/^(Head|Layer)/, (word) => word.toLowerCase());
  return groups.map(({ name, state }) => `${state === "off" ? "−" : "+"} ${inLine(name)}`).join(" ");
}
