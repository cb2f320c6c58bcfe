// The Explorer of one prompt below the study, and the way back.
import { useEffect, useRef, useState } from "preact/hooks";
import type { About } from "./filters";
import type { Prompts } from "./prompts";
import type { StudySource } from "./source";

interface Props {
  source: StudySource;
  prompts: Prompts;
  about: About;
  row: number;
  /** Those that were opened, the last one last. */
  visited: readonly number[];
  /** The prompts beside it in the table; -1 for none. */
  before: number;
  after: number;
  onOpen(row: number): void;
  onBack(): void;
}

export function OpenPrompt({ source, prompts, about, row, visited, before, after, onOpen, onBack }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { place, failure, loading } = useExplorer(source, row, about.study.importances[about.importance]);
  useEffect(() => {
    heading.current?.focus();
    heading.current?.scrollIntoView?.({ block: "nearest" });
  }, [row]);
  const earlier = visited.filter((each) => each !== row).slice(-5);
  const step = (to: number, name: string, id: string) => (
    <button type="button" class="sw-quiet" data-testid={id} aria-disabled={to < 0 || undefined} onClick={() => to >= 0 && onOpen(to)}>{name}</button>
  );
  return (
    <section
      class="sw-study-open"
      aria-label={`Explorer of prompt ${prompts.ids[row]}`}
      data-testid="opened"
      data-id={prompts.ids[row]}
      onKeyDown={(event) => {
        // An Explorer inside has uses of its own for the key.
        if (event.key === "Escape" && !place.current?.contains(event.target as Node)) onBack();
      }}
    >
      <div class="sw-study-head">
        <button type="button" class="sw-button" data-testid="back" onClick={onBack}>← Back to the study</button>
        <h3 ref={heading} class="sw-title" tabIndex={-1}>{prompts.ids[row]}</h3>
        {step(before, "‹ before", "open-before")}
        {step(after, "after ›", "open-after")}
        {earlier.length > 0 && (
          <span class="sw-study-visited">
            <span class="sw-note">opened before</span>
            {earlier.map((each) => <button key={each} type="button" class="sw-quiet" data-testid="visited" title={prompts.texts[each]} onClick={() => onOpen(each)}>{prompts.ids[each]}</button>)}
          </span>
        )}
      </div>
      {failure && <p class="sw-study-error" role="alert" data-testid="open-failed">{failure}</p>}
      {loading && <p class="sw-empty" role="status" data-testid="opening">Opening {prompts.ids[row]} …</p>}
      <div ref={place} />
    </section>
  );
}

/** Draws a prompt's Explorer into a place once it is there, and takes it away for the next one. */
function useExplorer(source: StudySource, row: number, importance: string) {
  const place = useRef<HTMLDivElement>(null);
  const [failure, setFailure] = useState("");
  const [loading, setLoading] = useState(true);
  useEffect(() => {
    const gone = new AbortController();
    let remove = () => {};
    setFailure("");
    setLoading(true);
    source
      .open(row, importance, gone.signal)
      .then((draw) => {
        if (gone.signal.aborted || !place.current) return;
        const el = place.current.appendChild(document.createElement("div"));
        const stop = draw(el);
        remove = () => {
          stop();
          el.remove();
        };
        setLoading(false);
      })
      .catch((reason) => {
        if (gone.signal.aborted) return;
        setFailure(reason instanceof Error ? reason.message : String(reason));
        setLoading(false);
      });
    return () => {
      gone.abort();
      remove();
    };
  }, [source, row, importance]);
  return { place, failure, loading };
}
