// The prompts that there are by now: asked for portion after portion, as long as a study grows.
import { useEffect, useState } from "preact/hooks";
import type { Status } from "../protocol/types";
import { noPrompts, withRows, type Prompts } from "./prompts";
import type { StudySource } from "./source";

export interface Growing {
  prompts: Prompts;
  whole: boolean;
  status: Status;
  /** Why no more prompts come. */
  failure: string;
}

export function useStudy(source: StudySource): Growing {
  const [prompts, setPrompts] = useState(() => noPrompts(source.study));
  const [about, setAbout] = useState(() => ({ whole: source.whole(), status: source.status() }));
  const [failure, setFailure] = useState("");
  useEffect(() => {
    let gone = false;
    let asking = false;
    let read = 0;
    let found = noPrompts(source.study);
    const fetchAll = async () => {
      if (asking) return;
      asking = true;
      try {
        for (; !gone && read < source.portions(); read += 1) {
          found = withRows(found, await source.rows(read), source.study);
          if (!gone) setPrompts(found);
        }
      } catch (reason) {
        if (!gone) setFailure(reason instanceof Error ? reason.message : String(reason));
      }
      asking = false;
    };
    const hear = () => {
      setAbout({ whole: source.whole(), status: source.status() });
      void fetchAll();
    };
    hear();
    const stop = source.listen(hear);
    return () => {
      gone = true;
      stop();
    };
  }, [source]);
  return { prompts, failure, ...about };
}
