// Questions to Python that are no state: each carries an id, and its answer repeats it.
import type { AnyModel } from "@anywidget/types";
import type { ExplorerModel } from "./model";
import type { Answers, Questions } from "./questions";
import type { Status } from "./types";

export type Kind = keyof Questions;

/** Python stayed silent for as long as the asker was ready to wait. */
export class NoAnswer extends Error {}

/** Python refused, or failed; `detail` is there where a server did: all that it said. */
export class Refused extends Error {
  constructor(sentence: string, readonly detail?: string) {
    super(sentence);
  }
}

/** Python gave the request up, because it was asked to, or for a newer one: no error. */
export class Cancelled extends Error {}

let asked = 0;
// Not crypto.randomUUID, which a page over plain http does not have. The suffix tells views of one model apart.
const nextId = (): string => `${(asked += 1)}-${Math.random().toString(36).slice(2, 10)}`;

/** What a question is sent through: the Explorer's model, or that of a study. */
type Asked = Pick<AnyModel<{ status: Status }>, "get" | "on" | "off" | "send">;

/** Asks the Explorer's Python side: see `askFor`. */
export const ask = <K extends Kind>(model: ExplorerModel, kind: K, payload: Questions[K], patience: number, signal: AbortSignal): Promise<Answers[K]> =>
  askFor<Answers[K]>(model as Asked, kind, payload, patience, signal).then(({ answer }) => answer);

/**
 * Asks, and waits for the answer with the same id, and the bytes beside it. Rejects with `Refused` and Python's sentence,
 * with `Cancelled` when it was asked to give up, with `NoAnswer` after `patience` ms without a word (a new status counts as
 * one, and while a job on a server is waited for there is no limit), and when the signal aborts.
 */
export function askFor<A>(
  model: Asked,
  kind: string,
  payload: object,
  patience: number,
  signal: AbortSignal,
): Promise<{ answer: A; buffers: DataView[] }> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const id = nextId();
    let timer: ReturnType<typeof setTimeout>;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(expire, patience);
    };
    // A job may be queued on its server for hours.
    const expire = () => (model.get("status").job ? wait() : settle(() => reject(new NoAnswer("No kernel answers."))));
    const hear = (message: { id?: string; ok?: boolean; cancelled?: boolean; error?: string; detail?: string } | null, buffers: DataView[]) => {
      if (message?.id !== id) return;
      const sentence = message.error || "Python refused, without a reason.";
      const refusal = message.cancelled ? new Cancelled(sentence) : new Refused(sentence, message.detail);
      settle(() => (message.ok ? resolve({ answer: message as A, buffers }) : reject(refusal)));
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
