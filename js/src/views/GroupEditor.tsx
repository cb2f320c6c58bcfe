import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Naming } from "../hooks/useNaming";
import { colourNames, longestName, nameFault, shapeNames, typedMembers } from "../logic/groups";
import { componentName } from "../logic/toggles";
import type { Group, ViewState } from "../protocol/types";
import { selectText } from "./browser";
import { GroupMark } from "./GroupMark";

interface Props {
  place: number;
  naming: Naming;
  viewState: ViewState;
  picked: ReadonlySet<string> | null;
  onClose(): void;
}

/** One group: its name, its colour and its members. */
export function GroupEditor({ place, naming, viewState, picked, onClose }: Props) {
  const group = naming.groups[place];
  const set = (members: string[]) => naming.change(place, { members });
  const missing = picked ? [...picked].filter((key) => !group.members.includes(key)) : [];
  const pressKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    onClose();
  };
  return (
    <div class="sw-group-editor" role="group" aria-label={`Change ${group.name}`} data-testid="group-editor" onKeyDown={pressKey}>
      <NameField naming={naming} place={place} onClose={onClose} />
      <Colours group={group} onColour={(colour) => naming.change(place, { colour })} />
      <ul class="sw-group-members" aria-label={`Members of ${group.name}`}>
        {group.members.map((member) => (
          <li key={member} class="sw-group-member">
            {componentName(member)}
            <button type="button" class="sw-remove" aria-label={`Take ${componentName(member)} out`} onClick={() => set(group.members.filter((other) => other !== member))}>
              ×
            </button>
          </li>
        ))}
        {group.members.length === 0 && <li class="sw-note">no members yet</li>}
      </ul>
      <AddMembers viewState={viewState} onAdd={(members) => set([...group.members, ...members])} />
      <div class="sw-group-actions">
        {missing.length > 0 && (
          <button type="button" class="sw-button" data-testid="group-add-picked" onClick={() => set([...group.members, ...missing])}>
            Add the {missing.length} picked
          </button>
        )}
        <button type="button" class="sw-quiet" data-testid="group-remove" onClick={() => naming.remove(place)}>
          Remove group
        </button>
        <button type="button" class="sw-button" data-testid="group-done" onClick={onClose}>
          Done
        </button>
      </div>
    </div>
  );
}

/** A name is taken on Enter, or as the field is left; one that will not do stays, with the reason. */
function NameField({ naming, place, onClose }: Pick<Props, "naming" | "place" | "onClose">) {
  const { name } = naming.groups[place];
  const [text, setText] = useState(name);
  const [fault, setFault] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    if (naming.fresh) selectText(field.current);
  }, []);
  useLayoutEffect(() => setText(name), [name]);
  const take = (): boolean => {
    const found = nameFault(text, naming.groups.filter((_, other) => other !== place).map((other) => other.name));
    setFault(found);
    if (!found && text.trim() !== name) naming.change(place, { name: text.trim() });
    return !found;
  };
  return (
    <label class="sw-group-name">
      Name
      <input
        ref={field}
        type="text"
        value={text}
        maxLength={longestName}
        data-testid="group-name"
        aria-invalid={fault !== "" || undefined}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.isComposing) return;
          event.preventDefault(); // it would press what takes the focus next
          if (take()) onClose();
        }}
        onBlur={take}
      />
      {fault && <span class="sw-loss" role="alert">{fault}</span>}
    </label>
  );
}

function Colours({ group, onColour }: { group: Group; onColour(colour: Group["colour"]): void }) {
  return (
    <div class="sw-group-colours" role="group" aria-label={`Colour of ${group.name}`}>
      {colourNames.map((colour) => (
        <button key={colour} type="button" aria-pressed={group.colour === colour} aria-label={`${colour} ${shapeNames[colour]}`} title={`${colour} ${shapeNames[colour]}`} onClick={() => onColour(colour)}>
          <GroupMark colour={colour} />
        </button>
      ))}
    </div>
  );
}

function AddMembers({ viewState, onAdd }: { viewState: ViewState; onAdd(members: string[]): void }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string[]>([]);
  const add = () => {
    const found = typedMembers(text, viewState);
    if (found.members.length > 0) onAdd(found.members);
    setWrong(found.wrong);
    setText(found.wrong.join(" "));
  };
  return (
    <form
      class="sw-group-add"
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
    >
      <input type="text" value={text} maxLength={400} placeholder="9.6, 9.mlp" aria-label="Heads and MLPs to add" data-testid="group-members" onInput={(event) => setText(event.currentTarget.value)} />
      <button type="submit" class="sw-button" disabled={text.trim() === ""}>Add</button>
      {wrong.length > 0 && (
        <span class="sw-loss" role="alert">
          The model has no <bdi>{wrong.slice(0, 3).join(", ").slice(0, longestName)}</bdi>: write 9.6 for a head, 9.mlp for an MLP, 9 for a layer.
        </span>
      )}
    </form>
  );
}
