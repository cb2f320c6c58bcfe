// What a node does at full detail: asked of Python once the pointer or the focus rests on it, and kept for its trace.
import { useEffect, useMemo, useState } from "preact/hooks";
import { ask, NoAnswer } from "../protocol/messages";
import type { ExplorerModel } from "../protocol/model";
import type { NodeDetails } from "../protocol/questions";
import type { ViewState } from "../protocol/types";
import { atNextWord, patience } from "./kernel";

const rest = 120; // ms

export interface Details {
  /** Null until they are there. */
  known: NodeDetails | null;
  /** Why they are not, or "". */
  error: string;
}

export function useDetails(model: ExplorerModel, viewState: ViewState, key: string, live: boolean): Details {
  // A map for each trace: an answer for a former one lands in a map that nobody reads.
  const known = useMemo(() => new Map<string, NodeDetails>(), [viewState]);
  const errors = useMemo(() => new Map<string, string>(), [viewState]);
  const [, redraw] = useState({});
  useEffect(() => {
    if (!live || known.has(key)) return;
    const left = new AbortController();
    const fetch = () =>
      ask(model, "node", { node: key }, patience.node, left.signal)
        .then((details) => {
          known.set(key, details);
          errors.delete(key);
        })
        .catch((reason: Error) => {
          if (left.signal.aborted) return; // nobody looks at it any more, and whoever comes back asks again
          const late = reason instanceof NoAnswer;
          errors.set(key, late ? "no answer yet" : reason.message);
          if (late) atNextWord(model, left.signal, fetch); // a kernel that was busy, and is ready again
        })
        .finally(() => left.signal.aborted || redraw({}));
    const timer = setTimeout(fetch, rest);
    return () => {
      clearTimeout(timer);
      left.abort();
    };
  }, [model, known, key, live]);
  return { known: known.get(key) ?? null, error: live && !known.has(key) ? (errors.get(key) ?? "") : "" };
}
