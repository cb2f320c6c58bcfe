import { useEffect, useRef, useState } from "preact/hooks";
import { useTrait } from "../hooks/store";
import { travel } from "../hooks/travel";
import { lastPosition, settingsOf } from "../logic/settings";
import { PromptEdit } from "./PromptEdit";
import { PromptTokens } from "./PromptTokens";
import type { ViewProps } from "./props";
import { SettingsBar } from "./SettingsBar";

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
  const otherText = viewState.question?.counterfactual_text ?? "";
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
          <PromptTokens viewState={viewState} shares={shares} live={live} disabled={busy} asked={asked} onExplain={explain} />
          {live && (
            <button ref={editButton} type="button" class="sw-quiet" data-testid="prompt-edit" disabled={busy} onClick={() => setEditing(true)}>
              Edit
            </button>
          )}
          {live && settings.counterfactual && <SwapButton disabled={busy} onSwap={() => void swap()} />}
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

function SwapButton({ disabled, onSwap }: { disabled: boolean; onSwap(): void }) {
  return (
    <button type="button" class="sw-quiet" data-testid="swap" title="The counterfactual becomes the prompt, and the prompt the counterfactual; target and foil change places, too" disabled={disabled} onClick={onSwap}>
      Swap
    </button>
  );
}
