import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { longestNote } from "../logic/groups";

/** What a person notes: shown as it was written, changed in place. */
export function NoteText({ note, onNote }: { note: string; onNote(note: string): void }) {
  const [writing, setWriting] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const finish = (left: boolean) => {
    setWriting(false);
    if (!left) setTimeout(() => button.current?.focus());
  };
  if (writing) {
    return (
      <NoteField
        note={note}
        onDone={(text, left) => {
          if (text !== null && text.trim() !== note) onNote(text.trim());
          finish(left);
        }}
      />
    );
  }
  return (
    <div class="sw-note-line">
      {note && <p class="sw-note-text" dir="auto" data-testid="note">{note}</p>}
      <button ref={button} type="button" class="sw-quiet" data-testid="note-edit" onClick={() => setWriting(true)}>
        {note ? "Edit the note" : "Add a note"}
      </button>
    </div>
  );
}

interface FieldProps {
  note: string;
  /** Null: as it was. `left`: the focus went elsewhere, and stays there. */
  onDone(note: string | null, left: boolean): void;
}

function NoteField({ note, onDone }: FieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const done = useRef(false);
  useLayoutEffect(() => field.current?.focus(), []);
  // Leaving the field also follows from the keys, which remove it.
  const finish = (text: string | null, left = false) => {
    if (!done.current) onDone(text, left);
    done.current = true;
  };
  return (
    <textarea
      ref={field}
      class="sw-note-field"
      rows={3}
      maxLength={longestNote}
      aria-label="Note; Control and Enter keep it, Escape leaves it as it was"
      data-testid="note-field"
      defaultValue={note}
      onKeyDown={(event) => {
        if (event.key === "Escape") finish(null);
        else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) finish(event.currentTarget.value);
        else return;
        event.preventDefault();
      }}
      onBlur={(event) => finish(event.currentTarget.value, true)}
    />
  );
}
