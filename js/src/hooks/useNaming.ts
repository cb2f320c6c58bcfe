// What a person names and notes, and which of it is being changed or pointed at; each card has its own.
import { useMemo, useState } from "preact/hooks";
import { freshGroup, groupsByMember, inOrder, mostGroups } from "../logic/groups";
import type { ExplorerModel } from "../protocol/model";
import type { Group } from "../protocol/types";
import { useTrait, writeTrait } from "./store";

export interface Naming {
  groups: Group[];
  byMember: ReadonlyMap<string, Group[]>;
  note: string;
  /** The members of the group that is pointed at. */
  lit: ReadonlySet<string> | null;
  light(group: Group | null): void;
  /** The place of the group that is being changed, or null; a fresh one waits for its name. */
  open: number | null;
  fresh: boolean;
  setOpen(open: number | null): void;
  /** Whether there is room for one more. */
  room: boolean;
  /** Makes a group, and opens it. */
  name(members: Iterable<string>): void;
  change(place: number, changes: Partial<Group>): void;
  remove(place: number): void;
  setNote(note: string): void;
}

export function useNaming(model: ExplorerModel): Naming {
  const groups = useTrait(model, "groups");
  const note = useTrait(model, "note");
  const byMember = useMemo(() => groupsByMember(groups), [groups]);
  const [lit, setLit] = useState<ReadonlySet<string> | null>(null);
  const [{ open, fresh }, setOpened] = useState<{ open: number | null; fresh: boolean }>({ open: null, fresh: false });
  const write = (next: Group[]) => writeTrait(model, "groups", next);
  return {
    groups,
    byMember,
    note,
    lit,
    light: (group) => setLit(group && group.members.length > 0 ? new Set(group.members) : null),
    open: open !== null && open < groups.length ? open : null,
    fresh,
    setOpen: (next) => setOpened({ open: next, fresh: false }),
    room: groups.length < mostGroups,
    name(members) {
      const now = model.get("groups");
      if (now.length >= mostGroups) return;
      write([...now, freshGroup(now, [...members])]);
      setOpened({ open: now.length, fresh: true });
    },
    change: (place, { members, ...others }) =>
      write(model.get("groups").map((group, index) => (index === place ? { ...group, ...others, members: members ? inOrder(members) : group.members } : group))),
    remove(place) {
      setLit(null);
      setOpened({ open: null, fresh: false });
      write(model.get("groups").filter((_, index) => index !== place));
    },
    setNote: (next) => writeTrait(model, "note", next),
  };
}
