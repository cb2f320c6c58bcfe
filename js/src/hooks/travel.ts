// Going to a state: at once within a trace, by a question to Python where it belongs to another one.
import { isReachable } from "../logic/history";
import { formatCount } from "../logic/scales";
import { byMeasure, sameSettings } from "../logic/settings";
import type { ExplorerModel } from "../protocol/model";
import type { TraceQuestion } from "../protocol/questions";
import type { ExplorerState, Refined, SessionFile, Settings, Step } from "../protocol/types";
import { missing, type Conversation } from "./kernel";
import { writeTraits } from "./store";
import { presentStep } from "./useHistory";

export interface Travel {
  /** Another trace; true once it is there. A counterfactual's text stands for the one in the settings. */
  trace(settings: Settings, counterfactual?: string): Promise<boolean>;
  /** The prompt and its counterfactual in each other's place. */
  swap(): Promise<boolean>;
  /** The same by another measure, which may be a refinement that was there before. */
  measure(importance: string, refined?: Refined): Promise<boolean>;
  /** A state, which becomes a new step. */
  go(step: Step): Promise<boolean>;
  /** A step of the history, which becomes the present one. */
  move(at: number): void;
  /** A saved session, its history included; throws where it cannot be reached. */
  load(session: SessionFile): void;
}

export function travel(model: ExplorerModel, { request, asking }: Conversation, live: boolean, toggleable = live): Travel {
  const busy = asking === "trace" || asking === "refine";
  const ask = async (settings: Settings, state: Partial<TraceQuestion> = {}) => (await request("trace", { settings, ...state })) !== null;
  const jump = async ({ settings, n_edges, toggles, groups }: Step, at?: number): Promise<boolean> => {
    const present = presentStep(model);
    if (!present || asking === "trace") return false;
    if (!sameSettings(settings, present.settings)) return !busy && ask(settings, { n_edges, toggles });
    writeTraits(model, { n_edges, toggles, ...(at !== undefined && { history: { ...model.get("history"), at }, ...(groups && { groups }) }) });
    return true;
  };
  // Under another measure or mode the graph is the same: so are its sizes and toggles.
  const trace = (settings: Settings, counterfactual?: string) => {
    const present = presentStep(model);
    const sameGraph = present?.settings.prompt === settings.prompt && present.settings.position === settings.position;
    const state = sameGraph ? { n_edges: present.n_edges, toggles: present.toggles } : {};
    return ask(settings, counterfactual === undefined ? state : { ...state, counterfactual });
  };
  return {
    trace,
    swap: async () => {
      const present = presentStep(model);
      return present !== null && !busy && ask(present.settings, { n_edges: present.n_edges, toggles: present.toggles, swap: true });
    },
    measure: async (importance, refined) => {
      const present = presentStep(model);
      return present !== null && !busy && trace(byMeasure(present.settings, importance, refined));
    },
    go: (step) => jump(step),
    move: (at) => {
      const step = model.get("history").steps[at];
      const present = presentStep(model);
      if (present && isReachable(step, present, live, toggleable)) void jump(step, at);
    },
    load: (session) => {
      const { settings, n_edges, toggles, history, shade = "share", groups = [], note = "", effects } = session;
      const kept = { history, shade, groups, note };
      // What is known here may be more than what the file knows.
      const write = (changes: Partial<ExplorerState>) => writeTraits(model, { ...changes, ...kept, ...(effects && !model.get("effects") && { effects }) });
      const present = presentStep(model);
      const allEdges = model.get("view_state")?.n_edges ?? 0;
      if (!present || !isReachable(session, present, live, toggleable)) {
        const needs = missing(model) ? "model" : "kernel";
        throw new Error(`This session needs a ${needs}: it holds toggles or belongs to another trace.`);
      }
      if (!sameSettings(settings, present.settings)) {
        void ask(settings, { n_edges, toggles }).then((there) => there && write({}));
      } else if (n_edges > allEdges) {
        throw new Error(`This session has ${formatCount(n_edges)} edges, but its trace here has ${formatCount(allEdges)}.`);
      } else {
        write({ n_edges, toggles });
      }
    },
  };
}

/** Undo and redo by key: -1 and 1, or 0. A text field keeps its own. */
export function historyKey(event: KeyboardEvent): -1 | 0 | 1 {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "z") return 0;
  const target = event.target as HTMLElement;
  if (target.matches("textarea, input:not([type=range], [type=checkbox])")) return 0;
  return event.shiftKey ? 1 : -1;
}
