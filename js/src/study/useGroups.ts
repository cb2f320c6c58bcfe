// The two groups of prompts: what each is filtered by, and which of them is at hand.
import { useMemo, useState } from "preact/hooks";
import { count, held, isEmpty, noFilters, rest, type About, type Filters } from "./filters";
import type { Prompts } from "./prompts";

/** What the first group is compared with: nothing, all other prompts, or a second group. */
export type Compared = "nothing" | "rest" | "second";

export interface Group {
  name: "A" | "B";
  mask: Uint8Array;
  n: number;
}

export interface Groups {
  /** What the group at hand is filtered by. */
  filters: Filters;
  /** Changes that. */
  filter(change: Partial<Filters>): void;
  active: 0 | 1;
  activate(active: 0 | 1): void;
  compared: Compared;
  compare(compared: Compared): void;
  first: Group;
  /** Null where nothing is compared. */
  second: Group | null;
  /** The group at hand. */
  shown: Group;
  /** Whether the first group is all prompts. */
  all: boolean;
}

export function useGroups(prompts: Prompts, about: About): Groups {
  const [both, setBoth] = useState<[Filters, Filters]>([noFilters, noFilters]);
  const [active, setActive] = useState<0 | 1>(0);
  const [compared, setCompared] = useState<Compared>("nothing");
  const { study, run, importance, criterion } = about;
  const masks = both.map((filters) => useMemo(() => held(prompts, filters, about), [prompts, filters, study, run, importance, criterion]));
  const first = useMemo((): Group => ({ name: "A", mask: masks[0], n: count(masks[0]) }), [masks[0]]);
  const second = useMemo((): Group | null => {
    if (compared === "nothing") return null;
    const mask = compared === "rest" ? rest(masks[0]) : masks[1];
    return { name: "B", mask, n: count(mask) };
  }, [compared, masks[0], masks[1]]);
  const at = compared === "second" ? active : 0;
  return {
    filters: both[at],
    filter: (change) => setBoth(([a, b]) => (at ? [a, { ...b, ...change }] : [{ ...a, ...change }, b])),
    active: at,
    activate: setActive,
    compared,
    compare(next) {
      setCompared(next);
      setActive(next === "second" ? 1 : 0);
    },
    first,
    second,
    shown: at && second ? second : first,
    all: isEmpty(both[0]),
  };
}
