// Where the prompts of a study come from, and how one of them is opened: from a kernel, or from the page itself.
import type { AnyModel } from "@anywidget/types";
import { askFor, NoAnswer } from "../protocol/messages";
import type { ExplorerState, Status } from "../protocol/types";
import type { OpenAnswer, RowsAnswer, StudyPage, StudyRows, StudyState } from "../protocol/study";

/** Draws an Explorer into an element; returns how to take it away. */
export type Draw = (el: HTMLElement) => () => void;

export interface StudySource {
  study: StudyState;
  /** How many portions of prompts there are by now. */
  portions(): number;
  /** Whether these are all. */
  whole(): boolean;
  status(): Status;
  rows(portion: number): Promise<StudyRows>;
  open(row: number, importance: string, signal: AbortSignal): Promise<Draw>;
  /** Tells Python which prompts each group holds, and which one is open; on a page nobody listens. */
  tell(names: Partial<Told>): void;
  /** What Python wants to be open, an id. */
  wanted(): string;
  /** Calls back when any of this has changed; returns how to stop that. */
  listen(hear: () => void): () => void;
}

export interface Told {
  selected: string[];
  compared: string[];
  opened: string;
}

/** The traits of the widget. */
export interface StudyTraits extends Told {
  study: StudyState;
  n_portions: number;
  n_rows: number;
  whole: boolean;
  status: Status;
  explorer: string | null;
}

export type StudyModel = Pick<AnyModel<StudyTraits>, "get" | "set" | "on" | "off" | "save_changes" | "send">;

/** What a host gives beside the model: other widgets by their reference. */
export interface Host {
  getWidget(reference: string, options: { signal: AbortSignal }): Promise<{ exports: { mount(view: "Explorer", el: HTMLElement): () => void } }>;
}

const patience = 20_000; // ms without a word
const heard = ["n_portions", "whole", "status", "opened"] as const;

export function widgetSource(model: StudyModel, host: Host, replay: (state: object, el: HTMLElement) => () => void, signal: AbortSignal): StudySource {
  return {
    study: model.get("study"),
    portions: () => model.get("n_portions"),
    whole: () => model.get("whole"),
    status: () => model.get("status"),
    async rows(portion) {
      const { answer, buffers } = await ask<RowsAnswer>(model, "rows", { portion }, signal);
      const arrays = Object.fromEntries(Object.entries(answer.rows.arrays).map(([name, array], index) => [name, { ...array, data: buffers[index] }]));
      return { ...answer.rows, arrays: arrays as unknown as StudyRows["arrays"] };
    },
    async open(row, importance, gone) {
      const { answer: { state } } = await ask<OpenAnswer>(model, "open", { row, importance }, gone);
      if (state) return (el) => replay(state, el);
      const reference = model.get("explorer");
      if (!reference) throw new Error("The prompt was traced, and its Explorer was closed meanwhile.");
      const explorer = await host.getWidget(reference, { signal: gone });
      return (el) => explorer.exports.mount("Explorer", el);
    },
    tell(names) {
      for (const [name, value] of Object.entries(names)) model.set(name as keyof Told, value as never);
      model.save_changes();
    },
    wanted: () => model.get("opened"),
    listen(hear) {
      for (const name of heard) model.on(`change:${name}`, hear);
      return () => heard.forEach((name) => model.off(`change:${name}`, hear));
    },
  };
}

/** Asks Python; a kernel that is silent is told as a person has to see to it. */
const ask = <A,>(model: StudyModel, kind: string, payload: object, signal: AbortSignal) =>
  askFor<A>(model as never, kind, payload, patience, signal).catch((reason: unknown) => {
    throw reason instanceof NoAnswer ? new Error("No kernel answers. Run the cell again to go on.") : reason;
  });

const ready: Status = { state: "ready", message: "", progress: 0 };

/** A study that a page holds. */
export function pageSource({ study, rows, kept }: StudyPage, replay: (state: ExplorerState, el: HTMLElement) => () => void): StudySource {
  return {
    study,
    portions: () => rows.length,
    whole: () => true,
    status: () => ready,
    rows: async (portion) => rows[portion],
    async open(row, importance) {
      const found = kept.find((each) => each.row === row && each.importance === importance);
      if (!found) throw new Error("This page does not hold the prompt's trace: it was not kept when the study ran.");
      const state = JSON.parse(await unpacked(found.state)) as ExplorerState;
      return (el) => replay(state, el);
    },
    tell: () => {},
    wanted: () => "",
    listen: () => () => {},
  };
}

/** Text of base64 of gzip. */
async function unpacked(base64: string): Promise<string> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}
