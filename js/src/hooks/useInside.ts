// What was last seen inside a subgraph, whether it is of the present one, and how to look.
import { sameToggles } from "../logic/toggles";
import type { ExplorerModel } from "../protocol/model";
import type { Inside, Toggles } from "../protocol/types";
import type { Conversation } from "./kernel";
import { useTrait } from "./store";
import type { Shown } from "./useShown";

export interface InsideHandle {
  /** Null before anybody looked. */
  inside: Inside | null;
  /** Whether it is of the subgraph on screen. */
  present: boolean;
  looking: boolean;
  /** Looks, at a head if one is named; null without a kernel. */
  look: ((node: string) => void) | null;
}

interface Asked {
  model: ExplorerModel;
  shown: Shown;
  conversation: Conversation;
}

export function useInside({ model, shown: { live, size, toggles }, conversation }: Asked): InsideHandle {
  const inside = useTrait(model, "inside");
  const present = inside !== null && inside.n_edges === size.nEdges && sameToggles(inside.toggles as Toggles, toggles);
  return {
    inside,
    present,
    looking: conversation.asking === "inside",
    look: live ? (node) => void conversation.request("inside", { node }) : null,
  };
}
