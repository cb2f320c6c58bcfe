// Questions to Python that are no state: each carries an id, and its answer repeats it.
import type { ExplorerModel, Settings, Toggles } from "./state";

export interface Questions {
  hello: object;
  evaluate: object;
  trace: { settings: Settings; n_edges?: number; toggles?: Toggles };
  compare: { names: string[] };
  code: object;
}

export type Kind = keyof Questions;

export interface Programs {
  strace_widgets: string;
  nnsight: string;
}

export type Answer<K extends Kind> = K extends "code" ? Programs : object;

/** Python stayed silent for as long as the asker was ready to wait. */
export class NoAnswer extends Error {}

let asked = 0;
// Not crypto.randomUUID, which a page over plain http does not have. The suffix tells views of one model apart.
const nextId = (): string => `${(asked += 1)}-${Math.random().toString(36).slice(2, 10)}`;

/**
 * Asks, and waits for the answer with the same id. Rejects with Python's sentence when it refuses, with `NoAnswer`
 * after `patience` ms without a word (a new status counts as one), and when the signal aborts.
 */
export function ask<K extends Kind>(
  model: ExplorerModel,
  kind: K,
  payload: Questions[K],
  patience: number,
  signal: AbortSignal,
): Promise<Answer<K>> {
  return new Promise((resolve, reject) => {
    const id = nextId();
    let timer: ReturnType<typeof setTimeout>;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => settle(() => reject(new NoAnswer("No kernel answers."))), patience);
    };
    const hear = (message: { id?: string; ok?: boolean; error?: string } | null) => {
      if (message?.id !== id) return;
      settle(() => (message.ok ? resolve(message as Answer<K>) : reject(new Error(message.error || "Python refused, without a reason."))));
    };
    const abort = () => settle(() => reject(signal.reason));
    const settle = (end: () => void) => {
      clearTimeout(timer);
      model.off("msg:custom", hear);
      model.off("change:status", wait);
      signal.removeEventListener("abort", abort);
      end();
    };
    model.on("msg:custom", hear);
    model.on("change:status", wait);
    signal.addEventListener("abort", abort);
    wait();
    try {
      model.send({ ...payload, id, kind });
    } catch (reason) {
      settle(() => reject(reason));
    }
  });
}
