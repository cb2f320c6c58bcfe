import { useEffect, useRef, useState } from "preact/hooks";
import type { Programs } from "../protocol/questions";
import { copyFrom } from "./browser";

interface Props {
  programs: Programs;
  onClose(): void;
}

const names = ["strace_widgets", "nnsight"] as const;

/** Two programs that reproduce the numbers on screen. */
export function CodeDialog({ programs, onClose }: Props) {
  const [shown, setShown] = useState<(typeof names)[number]>(names[0]);
  const [outcome, setOutcome] = useState("");
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const copy = async () => {
    if (field.current) setOutcome((await copyFrom(field.current)) ? "Copied" : "Selected: copy it with the keys");
  };
  return (
    <dialog ref={dialog} aria-label="Copy as code" data-testid="code-dialog" onClose={onClose}>
      <div class="sw-dialog-line" role="group" aria-label="Program">
        <h3 class="sw-title">Reproduce these numbers</h3>
        {names.map((name) => (
          <button
            key={name}
            type="button"
            class="sw-quiet"
            data-testid={`code-${name}`}
            aria-pressed={shown === name}
            onClick={() => {
              setShown(name);
              setOutcome("");
            }}
          >
            {name}
          </button>
        ))}
      </div>
      {programs.note && <p class="sw-note" data-testid="code-note">{programs.note}</p>}
      <textarea ref={field} readOnly spellcheck={false} data-testid="code-text" aria-label={`Program with ${shown}`} value={programs[shown]} />
      <div class="sw-dialog-line">
        <button type="button" class="sw-button" data-testid="code-copy" onClick={copy}>
          Copy
        </button>
        <span class="sw-note" role="status">{outcome}</span>
        <button type="button" class="sw-quiet" data-testid="code-close" style={{ marginInlineStart: "auto" }} onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
