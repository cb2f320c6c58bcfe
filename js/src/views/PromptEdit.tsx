import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { selectText } from "./browser";

interface Props {
  prompt: string;
  waiting: boolean;
  onApply(prompt: string): void;
  onCancel(): void;
}

/** The prompt as a text: Enter traces it, Escape leaves it as it was. */
export function PromptEdit({ prompt, waiting, onApply, onCancel }: Props) {
  const [text, setText] = useState(prompt);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => selectText(field.current), []); // before the next key
  const apply = () => !waiting && text !== "" && onApply(text);
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
      <textarea
        ref={field}
        data-testid="prompt-input"
        aria-label="Prompt: Enter traces it, Shift and Enter begin a line, Escape cancels"
        rows={Math.min(6, text.split("\n").length + Math.floor(text.length / 90))}
        value={text}
        readOnly={waiting}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={pressKey}
      />
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
