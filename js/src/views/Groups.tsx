import { useRef } from "preact/hooks";
import { useToggling } from "../hooks/useToggling";
import { afterState, groupState, shapeNames } from "../logic/groups";
import { GroupEditor } from "./GroupEditor";
import { GroupMark } from "./GroupMark";
import { NoteText } from "./NoteText";
import type { ViewProps } from "./props";
import { StateButton } from "./StateButton";

interface Props extends Pick<ViewProps, "model" | "viewState" | "shown"> {
  /** The components that were picked out, or null. */
  picked?: ReadonlySet<string> | null;
}

/** What a person has named: chips that light up their members, switch them as one, and open to be changed; and a note. */
export function Groups({ model, viewState, shown, picked = null }: Props) {
  const { naming, toggles, toggleable } = shown;
  const { groups, open } = naming;
  const list = useRef<HTMLUListElement>(null);
  const { toggleNodes } = useToggling(model, toggles, toggleable);
  const close = (place: number) => {
    naming.setOpen(null);
    list.current?.querySelectorAll<HTMLElement>("[aria-expanded]")[place]?.focus();
  };
  return (
    <section role="group" class="sw-group-list" aria-label="Names and note" data-testid="groups">
      {groups.length > 0 && (
        <ul ref={list} aria-label="Groups">
          {groups.map((group, place) => {
            const { name, colour, members } = group;
            const state = groupState(toggles, members);
            return (
              <li
                key={place}
                class="sw-group-chip"
                data-testid="group-chip"
                onPointerEnter={() => naming.light(group)}
                onPointerLeave={() => naming.light(null)}
                onFocusIn={() => naming.light(group)}
                onFocusOut={() => naming.light(null)}
              >
                <button
                  type="button"
                  aria-expanded={open === place}
                  title={members.join(", ") || "no members yet"}
                  onClick={() => naming.setOpen(open === place ? null : place)}
                >
                  <GroupMark colour={colour} /> <bdi>{name}</bdi> <span class="sw-note">{members.length}</span>
                  <span class="sw-unseen"> {members.length === 1 ? "member" : "members"}, {colour} {shapeNames[colour]}</span>
                </button>
                {members.length > 0 && (
                  <StateButton of={name} state={state} toggleable={toggleable} testId="group-toggle" onToggle={() => toggleNodes(members, afterState(state))} />
                )}
              </li>
            );
          })}
        </ul>
      )}
      {open !== null && <GroupEditor key={open} place={open} naming={naming} viewState={viewState} picked={picked} onClose={() => close(open)} />}
      <NoteText note={naming.note} onNote={naming.setNote} />
    </section>
  );
}
