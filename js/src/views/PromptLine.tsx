import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useTrait } from "../hooks/store";
import { travel } from "../hooks/travel";
import { useTokenShares } from "../hooks/useTokenShares";
import { paired } from "../logic/question";
import { lastPosition, settingsOf } from "../logic/settings";
import type { ViewState } from "../protocol/types";
import { PromptEdit } from "./PromptEdit";
import type { ViewProps } from "./props";
import { SettingsBar } from "./SettingsBar";

/** About so many tokens overflow the line's height: then the keyboard has to reach them. */
const scrollsFrom = 40;

/** The prompt's tokens with their share of the trace, what was traced, and ways to trace something else. */
export function PromptLine({ model, viewState, shown, status, conversation }: ViewProps) {
  const { live, shares } = shown;
  const choices = useTrait(model, "choices");
  const { trace: traceAnew, swap } = travel(model, conversation, live);
  const tracing = conversation.asking === "trace";
  /** While this view waits for another trace. */
  const busy = tracing || conversation.asking === "refine";
  const [editing, setEditing] = useState(false);
  /** The token that was asked to be explained. */
  const [asked, setAsked] = useState<number | null>(null);
  useEffect(() => setEditing(false), [viewState.prompt, viewState.question?.counterfactual_text]); // it was traced at a second try
  const editButton = useRef<HTMLButtonElement>(null);
  const settings = settingsOf(viewState);
  const finishEdit = () => {
    setEditing(false);
    setTimeout(() => editButton.current?.focus());
  };
  const { counterfactual = [], counterfactual_text: otherText = "" } = viewState.question ?? {};
  const traceText = async (prompt: string, other: string) => {
    const [samePrompt, sameOther] = [prompt === viewState.prompt, other === otherText];
    const position = samePrompt ? viewState.position : lastPosition;
    if ((samePrompt && sameOther) || (await traceAnew({ ...settings, prompt, position }, other))) finishEdit();
  };
  const explain = async (position: number) => {
    if (position === viewState.position) return;
    setAsked(position);
    await traceAnew({ ...settings, position });
    setAsked(null);
  };
  return (
    <header class="sw-prompt">
      {editing && live ? (
        <PromptEdit prompt={viewState.prompt} counterfactual={otherText} waiting={busy} onApply={traceText} onCancel={finishEdit} />
      ) : (
        <div class="sw-prompt-text">
          <div class="sw-prompt-lines">
            {live ? (
              <TokenButtons viewState={viewState} shares={shares} disabled={busy} asked={asked} onExplain={explain} />
            ) : (
              <TokenList viewState={viewState} shares={shares} />
            )}
            {counterfactual.length > 0 && <PairNote viewState={viewState} />}
          </div>
          {live && (
            <button ref={editButton} type="button" class="sw-quiet" data-testid="prompt-edit" disabled={busy} onClick={() => setEditing(true)}>
              Edit
            </button>
          )}
          {live && counterfactual.length > 0 && (
            <button type="button" class="sw-quiet" data-testid="swap" title="The counterfactual becomes the prompt, and the prompt the counterfactual; target and foil change places, too" disabled={busy} onClick={() => void swap()}>
              Swap
            </button>
          )}
        </div>
      )}
      {viewState.prompt_note && <p class="sw-prompt-note" data-testid="prompt-note"><bdi>{viewState.prompt_note}</bdi></p>}
      {viewState.prompt_warning && <p class="sw-prompt-note sw-prompt-warning" role="status" data-testid="prompt-warning"><bdi>{viewState.prompt_warning}</bdi></p>}
      <SettingsBar
        viewState={viewState}
        choices={choices}
        status={status}
        live={live}
        doing={busy ? (tracing ? "tracing" : "refining") : null}
        onSettings={(changed) => void traceAnew(changed)}
        onRefine={(passes) => void conversation.request("refine", { passes })}
        onCancel={conversation.cancel}
      />
    </header>
  );
}

function TokenList({ viewState, shares }: { viewState: ViewState; shares: number[] }) {
  const list = useTokenShares<HTMLOListElement>(viewState, shares);
  const tokens = useMemo(
    () => namesOf(viewState).map((name, index) => <li key={index} class={tokenClass(viewState, index)}>{token(viewState, name, index)}</li>),
    [viewState],
  );
  return (
    <ol ref={list} class={listClass(viewState)} aria-label="Prompt tokens" tabIndex={tokens.length > scrollsFrom ? 0 : undefined}>
      {tokens}
    </ol>
  );
}

interface TokenButtonsProps {
  viewState: ViewState;
  shares: number[];
  disabled: boolean;
  /** The token whose prediction is being computed. */
  asked: number | null;
  onExplain(position: number): void;
}

/** The tokens as buttons with one tab stop: each explains the prediction after it. */
function TokenButtons({ viewState, shares, disabled, asked, onExplain }: TokenButtonsProps) {
  const [focused, setFocused] = useState<number | null>(null);
  const list = useTokenShares<HTMLDivElement>(viewState, shares);
  const last = viewState.all_tokens.length - 1;
  const stop = Math.min(focused ?? viewState.position, last);
  const pressKey = (event: KeyboardEvent) => {
    const targets: Record<string, number> = { ArrowRight: stop + 1, ArrowLeft: stop - 1, Home: 0, End: last };
    const target = targets[event.key];
    if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const buttons = (event.currentTarget as Element).querySelectorAll("button");
    buttons[Math.min(last, Math.max(0, target))].focus({ focusVisible: true });
  };
  const indexOf = (event: Event) => [...(list.current?.children ?? [])].indexOf((event.target as Element).closest("button") as Element);
  const click = (event: Event) => {
    const index = indexOf(event);
    if (!disabled && index >= 0) onExplain(index);
  };
  const names = useMemo(() => namesOf(viewState), [viewState]);
  // The same elements again cost nothing, however many: in a drag only shares change, which `useTokenShares` draws.
  const tokens = useMemo(
    () =>
      names.map((name, index) => (
        <button
          key={index}
          type="button"
          class={index === asked ? `${tokenClass(viewState, index)} sw-token-asked` : tokenClass(viewState, index)}
          aria-busy={index === asked || undefined}
          data-testid={`token-${index}`}
          aria-pressed={index === viewState.position}
          aria-disabled={disabled || undefined}
          tabIndex={index === stop ? 0 : -1}
        >
          {token(viewState, name, index)}
        </button>
      )),
    [viewState, disabled, asked, stop],
  );
  return (
    <div
      ref={list}
      class={listClass(viewState)}
      role="toolbar"
      aria-label="Prompt tokens: choose the one whose prediction is explained"
      onKeyDown={pressKey}
      onFocusIn={(event) => setFocused(indexOf(event))}
      onFocusOut={() => setFocused(null)}
      onClick={click}
    >
      {tokens}
    </div>
  );
}

/** The counterfactual in words: its tokens are below those of the prompt. */
function PairNote({ viewState }: { viewState: ViewState }) {
  const { differ } = paired(viewState);
  const count = differ.filter(Boolean).length;
  return (
    <p class="sw-note" data-testid="pair-note">
      below each token: the counterfactual, which differs in {count} of {differ.length} tokens<span class="sw-unseen">: <bdi>{viewState.question?.counterfactual_text}</bdi></span>
    </p>
  );
}

/** A token, and of a counterfactual the one in its place. */
interface Name {
  name: string;
  other?: string;
  differs?: boolean;
}

function namesOf(viewState: ViewState): Name[] {
  const { names, others, differ } = paired(viewState);
  return names.map((name, index) => ({ name, other: others[index], differs: differ[index] }));
}

const listClass = ({ question }: ViewState): string => (question?.counterfactual.length ? "sw-tokens sw-paired" : "sw-tokens");

const token = ({ position }: ViewState, { name, other, differs }: Name, index: number) => (
  <>
    <bdi>{name}</bdi>
    {index <= position && <span class="sw-token-share" />}
    {differs && <span class="sw-unseen">, counterfactual </span>}
    {other !== undefined && <bdi class="sw-token-other" data-differs={differs} aria-hidden={!differs}>{other}</bdi>}
  </>
);

function tokenClass({ position }: ViewState, index: number): string {
  if (index === position) return "sw-token sw-token-last";
  return index > position ? "sw-token sw-token-after" : "sw-token";
}
