// Who stands behind the model: a kernel that answers, one that is silent, or none; and what is asked of it.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ask, Cancelled, NoAnswer, Refused, type Kind } from "../protocol/messages";
import type { ExplorerModel } from "../protocol/model";
import type { Answers, Questions } from "../protocol/questions";
import { useTrait } from "./store";

/** "awaited" is live on trust: greeted, and not yet heard. */
export type Kernel = "awaited" | "live" | "silent" | "none";

const greetingPatience = 4000; // ms
const requestPatience = 2000; // ms
/** What only Python sends: each is a sign of life. */
const signs = ["msg:custom", "change:view_state", "change:evaluation", "change:status", "change:curves", "change:jumps", "change:inside"] as const;
/** What a view writes for Python to answer. */
const requests = ["change:n_edges", "change:toggles"] as const;

/** Whether a kernel answers; a silent one is live again with its first word. */
export function useKernel(model: ExplorerModel): Kernel {
  const live = useTrait(model, "live");
  const [answers, setAnswers] = useState<boolean | null>(null);
  useEffect(() => {
    if (!live) return;
    const gone = new AbortController();
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const greet = () => {
      ask(model, "hello", {}, greetingPatience, gone.signal).catch(() => gone.signal.aborted || setAnswers(false));
    };
    const hear = () => {
      clearTimeout(waiting);
      setAnswers(true);
    };
    // A kernel that was there may be gone: it says at once that it took up a request.
    const expectAnswer = () => {
      clearTimeout(waiting);
      waiting = setTimeout(greet, requestPatience);
    };
    for (const sign of signs) model.on(sign, hear);
    for (const request of requests) model.on(request, expectAnswer);
    greet();
    return () => {
      gone.abort();
      clearTimeout(waiting);
      for (const sign of signs) model.off(sign, hear);
      for (const request of requests) model.off(request, expectAnswer);
    };
  }, [model, live]);
  if (!live) return "none";
  return answers === null ? "awaited" : answers ? "live" : "silent";
}

/** Calls back at Python's next word, unless the signal aborts before. */
export function atNextWord(model: ExplorerModel, signal: AbortSignal, hear: () => void): void {
  const stop = () => {
    for (const sign of signs) model.off(sign, heard);
    signal.removeEventListener("abort", stop);
  };
  const heard = () => {
    stop();
    hear();
  };
  for (const sign of signs) model.on(sign, heard);
  signal.addEventListener("abort", stop);
}

/** What Python says is missing where it has no model, such as in a notebook that loaded a trace; "" elsewhere. */
export function missing(model: ExplorerModel): string {
  const status = model.get("status");
  return !model.get("live") && status.state === "ready" ? status.message : "";
}

export const patience: Record<Kind, number> = {
  hello: greetingPatience,
  evaluate: 30_000,
  levels: 30_000,
  effects: 30_000,
  trace: 180_000,
  compare: 180_000,
  refine: 180_000,
  why: 180_000,
  inside: 180_000,
  code: 30_000,
  node: 10_000,
  cancel: 30_000,
};

/** What did not work, for the error bar. */
export interface Failure {
  kind: Kind | null;
  sentence: string;
  /** All that a server said, where one failed. */
  detail?: string;
  /** Asks for the same again, where that may help. */
  again?: () => void;
}

export interface Conversation {
  /** What Python is working on for this view. */
  asking: Kind | null;
  failure: Failure | null;
  report(failure: Failure | null): void;
  /** The answer, or null when there is none; then the reason is in `failure`, unless it was given up. */
  request<K extends Kind>(kind: K, payload: Questions[K]): Promise<Answers[K] | null>;
  /** Gives up what is under way, at its next stage. */
  cancel(): void;
}

/** One question at a time, and what went wrong with the last one. */
export function useConversation(model: ExplorerModel): Conversation {
  const [asking, setAsking] = useState<Kind | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const gone = useRef(new AbortController());
  useEffect(() => {
    gone.current = new AbortController();
    return () => gone.current.abort();
  }, [model]);
  const request = useCallback(
    async <K extends Kind>(kind: K, payload: Questions[K]): Promise<Answers[K] | null> => {
      const { signal } = gone.current;
      setAsking(kind);
      setFailure(null);
      try {
        return await ask(model, kind, payload, patience[kind], signal);
      } catch (reason) {
        // A server may answer another time; what is refused here is refused again.
        const mayHelp = reason instanceof Refused && reason.detail !== undefined;
        const again = mayHelp ? { detail: reason.detail, again: () => void request(kind, payload) } : {};
        if (!signal.aborted && !(reason instanceof Cancelled)) setFailure({ kind, sentence: sentence(reason, kind), ...again });
        return null;
      } finally {
        if (!signal.aborted) setAsking((now) => (now === kind ? null : now));
      }
    },
    [model],
  );
  const cancel = useCallback(() => {
    ask(model, "cancel", {}, patience.cancel, gone.current.signal).catch(() => {}); // what it gives up tells how it ended
  }, [model]);
  return { asking, failure, report: setFailure, request, cancel };
}

function sentence(reason: unknown, kind: Kind): string {
  if (reason instanceof NoAnswer) {
    return `No kernel has answered for ${patience[kind] / 1000} seconds. If it is still at work, its results will appear here.`;
  }
  return reason instanceof Error ? reason.message : String(reason);
}
