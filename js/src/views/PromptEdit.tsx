import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { selectText } from "./browser";

interface Props {
  prompt: string;
  /** Another prompt, from which dropped edges may be patched; perhaps none. */
  counterfactual: string;
  waiting: boolean;
  onApply(prompt: string, counterfactual: string): void;
  onCancel(): void;
}

/** The prompt as a text: Enter traces it, Escape leaves it as it was. */
export function PromptEdit({ prompt, counterfactual, waiting, onApply, onCancel }: Props) {
  const [text, setText] = useState(prompt);
  const [other, setOther] = useState(counterfactual);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => selectText(field.current), []); // before the next key
  const apply = () => !waiting && text !== "" && onApply(text, other);
  const pressKey = (event: KeyboardEvent) => {
    event.stopPropagation(); // the notebook has a meaning of its own for most keys
    if (event.isComposing) return; // the Enter that ends a composition is no command
    if (event.key === "Enter" && !event.shiftKey) apply();
    else if (event.key === "Escape") onCancel();
    else return;
    event.preventDefault();
  };
  return (
    <div class="sw-prompt-edit">
      <div class="sw-prompt-fields">
        <textarea
          ref={field}
          data-testid="prompt-input"
          aria-label="Prompt: Enter traces it, Shift and Enter begin a line, Escape cancels"
          rows={rowsOf(text)}
          value={text}
          readOnly={waiting}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={pressKey}
        />
        <textarea
          data-testid="counterfactual-input"
          aria-label="Counterfactual: another prompt of as many tokens, from which dropped edges may be patched; empty for none"
          placeholder="Counterfactual: another prompt of as many tokens (optional)"
          rows={rowsOf(other)}
          value={other}
          readOnly={waiting}
          onInput={(event) => setOther(event.currentTarget.value)}
          onKeyDown={pressKey}
        />
      </div>
      {text === "" && (
        <span class="sw-note" role="status">
          A prompt has at least one token.
        </span>
      )}
      <button type="button" class="sw-button" disabled={waiting || text === ""} onClick={apply}>
        Trace
      </button>
      {!waiting && (
        <button type="button" class="sw-quiet" onClick={onCancel}>
          Cancel
        </button>
      )}
    </div>
  );
}

const rowsOf = (text: string): number => Math.min(6, text.split("\n").length + Math.floor(text.length / 90));
