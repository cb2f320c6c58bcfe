import { groupColours } from "../logic/groups";
import type { Colour } from "../protocol/types";

/** A colour's shape; what it stands for is said beside it. */
export function GroupMark({ colour }: { colour: Colour }) {
  return <i class="sw-group-mark" data-colour={colour} style={{ "--group": groupColours[colour] }} aria-hidden="true" />;
}
