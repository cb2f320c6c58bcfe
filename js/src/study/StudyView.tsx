// The frame of a study: prompts, curves and components in linked views, and below them the Explorer of one prompt.
import type { RefObject } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { keepKey, useKeptFocus } from "../hooks/useKeptFocus";
import { useOwnStyle } from "../hooks/useOwnStyle";
import { useTheme } from "../hooks/useTheme";
import { formatCount } from "../logic/scales";
import { CurvesPlot } from "./CurvesPlot";
import { rowsOf, type About } from "./filters";
import { GroupBar } from "./GroupBar";
import { OpenPrompt } from "./OpenPrompt";
import { criterionName, nameOf, type Prompts } from "./prompts";
import { PromptTable } from "./PromptTable";
import { ScatterPlot } from "./ScatterPlot";
import type { StudySource } from "./source";
import { UseMap } from "./UseMap";
import { useGroups, type Groups } from "./useGroups";
import { useStudy } from "./useStudy";

interface Props {
  source: StudySource;
  /** The element that it is drawn into. */
  el: HTMLElement;
  /** The widget's own style sheet, where it has one. */
  css: { get(name: never): unknown };
}

export function StudyView({ source, el, css }: Props) {
  const { study } = source;
  const theme = useTheme(el);
  const card = useRef<HTMLDivElement>(null);
  useOwnStyle(card, css as never);
  useKeptFocus(card);
  const { prompts, whole, status, failure } = useStudy(source);
  const [run, setRun] = useState(0);
  const [criterion, setCriterion] = useState(0);
  const about = useMemo((): About => ({ study, run, criterion, importance: study.importances.indexOf(study.runs[run].importance) }), [study, run, criterion]);
  const groups = useGroups(prompts, about);
  const [rows, setRows] = useState<Int32Array>(() => new Int32Array());
  const { opened, visited, open, back } = useOpened(source, prompts, card);
  useTold(source, prompts, groups);
  const at = rows.indexOf(opened);
  const shared = { prompts, about, groups, theme };
  const problem = failure || (status.state === "error" ? status.message : "");
  return (
    <div ref={card} class="strace-widgets" data-theme={theme} data-testid="strace-study" data-lm-suppress-shortcuts="true" onKeyDown={keepKey}>
      <article class="sw-card" aria-label={study.title}>
        <header class="sw-study-top">
          <h2 class="sw-title">{study.title}</h2>
          {study.runs.length > 1 && (
            <label>
              traced by{" "}
              <select value={run} data-testid="run" onChange={(event) => setRun(Number(event.currentTarget.value))}>
                {study.runs.map(({ importance, masks }, index) => <option key={index} value={index}>{importance}, masks {masks}</option>)}
              </select>
            </label>
          )}
          <label>
            needed for{" "}
            <select value={criterion} data-testid="criterion" onChange={(event) => setCriterion(Number(event.currentTarget.value))}>
              {study.criteria.map((name, index) => <option key={name} value={index}>{criterionName(name)}</option>)}
            </select>
          </label>
          <Progress n={prompts.n} asked={study.n_asked} whole={whole} running={status.state === "running" ? status.message : ""} />
        </header>
        {problem && <p class="sw-study-error" role="alert" data-testid="error">{problem}</p>}
        {prompts.n === 0 ? (
          <p class="sw-empty">{whole ? "The study has no prompts." : "Reading the study …"}</p>
        ) : (
          <>
            <GroupBar prompts={prompts} about={about} groups={groups} />
            <div class="sw-study-views">
              <ScatterPlot {...shared} onOpen={open} />
              <CurvesPlot {...shared} />
              <PromptTable {...shared} opened={opened} onRows={setRows} onOpen={open} />
              <UseMap {...shared} />
            </div>
            {opened >= 0 && (
              <OpenPrompt source={source} prompts={prompts} about={about} row={opened} visited={visited} before={at > 0 ? rows[at - 1] : -1} after={at >= 0 && at < rows.length - 1 ? rows[at + 1] : -1} onOpen={open} onBack={back} />
            )}
            <p class="sw-unseen" role="status" data-testid="announcement">{useWords(groups)}</p>
          </>
        )}
      </article>
    </div>
  );
}

function Progress({ n, asked, whole, running }: { n: number; asked: number; whole: boolean; running: string }) {
  return (
    <span class="sw-study-progress sw-note" data-testid="progress" data-n={n} data-whole={whole}>
      {running && `${running} · `}
      {whole || n >= asked ? `${formatCount(n)} prompts` : `${formatCount(n)} of ${formatCount(asked)} prompts so far`}
      {!whole && n < asked && <progress value={n} max={asked} aria-label="Prompts that have been read" />}
    </span>
  );
}

/** Which prompt is open, as a click or Python wants it, and which were before. */
function useOpened(source: StudySource, prompts: Prompts, card: RefObject<HTMLElement | null>) {
  const [opened, setOpened] = useState(-1);
  const [visited, setVisited] = useState<readonly number[]>([]);
  const open = useCallback((row: number) => {
    setOpened(row);
    setVisited((before) => [...before.filter((each) => each !== row), row]);
  }, []);
  const back = useCallback(() => {
    const row = card.current?.querySelector<HTMLElement>('[data-open="true"] [data-testid="open-prompt"]') ?? card.current?.querySelector<HTMLElement>('[data-testid="search"]');
    setOpened(-1);
    source.tell({ opened: "" });
    row?.focus();
  }, [source]);
  const heard = useRef("");
  useEffect(() => {
    const hear = () => {
      const wanted = source.wanted();
      if (wanted === heard.current) return; // something else has changed
      const row = prompts.ids.findIndex((_, each) => nameOf(prompts, source.study, each) === wanted);
      if (row < 0 && wanted) return; // it may come yet
      heard.current = wanted;
      if (row >= 0) open(row);
    };
    hear();
    return source.listen(hear);
  }, [source, prompts]);
  return { opened, visited, open, back };
}

const rest = 300; // ms

/** Tells Python which prompts the groups hold, once the hand rests. */
function useTold(source: StudySource, prompts: Prompts, { first, second, all }: Groups): void {
  useEffect(() => {
    const ids = (mask: Uint8Array) => rowsOf(mask).map((row) => nameOf(prompts, source.study, row));
    const timer = setTimeout(() => source.tell({ selected: all ? [] : ids(first.mask), compared: second ? ids(second.mask) : [] }), rest);
    return () => clearTimeout(timer);
  }, [source, first, second, all]);
}

/** What a screen reader is told once the groups have settled. */
function useWords({ first, second }: Groups): string {
  const [words, setWords] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setWords(`Group A: ${formatCount(first.n)} prompts${second ? `, group B: ${formatCount(second.n)}` : ""}`), rest);
    return () => clearTimeout(timer);
  }, [first.n, second?.n]);
  return words;
}
