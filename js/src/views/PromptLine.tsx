import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useTrait } from "../hooks/store";
import { travel } from "../hooks/travel";
import { useTokenShares } from "../hooks/useTokenShares";
import { lastPosition, settingsOf } from "../logic/settings";
import { tokenNames } from "../logic/tokenText";
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
  const { trace: traceAnew } = travel(model, conversation, live);
  const tracing = conversation.asking === "trace";
  /** While this view waits for another trace. */
  const busy = tracing || conversation.asking === "refine";
  const [editing, setEditing] = useState(false);
  /** The token that was asked to be explained. */
  const [asked, setAsked] = useState<number | null>(null);
  useEffect(() => setEditing(false), [viewState.prompt]); // it was traced at a second try
  const editButton = useRef<HTMLButtonElement>(null);
  const settings = settingsOf(viewState);
  const finishEdit = () => {
    setEditing(false);
    setTimeout(() => editButton.current?.focus());
  };
  const traceText = async (prompt: string) => {
    if (prompt === viewState.prompt || (await traceAnew({ ...settings, prompt, position: lastPosition }))) finishEdit();
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
        <PromptEdit prompt={viewState.prompt} waiting={busy} onApply={traceText} onCancel={finishEdit} />
      ) : (
        <div class="sw-prompt-text">
          {live ? (
            <TokenButtons viewState={viewState} shares={shares} disabled={busy} asked={asked} onExplain={explain} />
          ) : (
            <TokenList viewState={viewState} shares={shares} />
          )}
          {live && (
            <button ref={editButton} type="button" class="sw-quiet" data-testid="prompt-edit" disabled={busy} onClick={() => setEditing(true)}>
              Edit
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
        onSettings={traceAnew}
        onRefine={(passes) => void conversation.request("refine", { passes })}
        onCancel={conversation.cancel}
      />
    </header>
  );
}

function TokenList({ viewState, shares }: { viewState: ViewState; shares: number[] }) {
  const list = useTokenShares<HTMLOListElement>(viewState, shares);
  const tokens = useMemo(
    () => tokenNames(viewState.all_tokens).map((name, index) => <li key={index} class={tokenClass(viewState, index)}>{token(viewState, name, index)}</li>),
    [viewState],
  );
  return (
    <ol ref={list} class="sw-tokens" aria-label="Prompt tokens" tabIndex={tokens.length > scrollsFrom ? 0 : undefined}>
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
  const names = useMemo(() => tokenNames(viewState.all_tokens), [viewState]);
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
      class="sw-tokens"
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

const token = ({ position }: ViewState, name: string, index: number) => (
  <>
    <bdi>{name}</bdi>
    {index <= position && <span class="sw-token-share" />}
  </>
);

function tokenClass({ position }: ViewState, index: number): string {
  if (index === position) return "sw-token sw-token-last";
  return index > position ? "sw-token sw-token-after" : "sw-token";
}
