import type { Naming } from "../hooks/useNaming";
import { componentName } from "../logic/toggles";
import { GroupMark } from "./GroupMark";

/** Which groups a head or an MLP is in: to put it into one, or take it out, or to name it. */
export function NodeGroups({ naming, member }: { naming: Naming; member: string }) {
  const { groups, room } = naming;
  const others = (members: readonly string[]) => members.filter((other) => other !== member);
  return (
    <div class="sw-node-groups" role="group" aria-label={`Groups of ${componentName(member)}`} data-testid="node-groups">
      {groups.map(({ name, colour, members }, place) => {
        const inside = members.includes(member);
        return (
          <button
            key={name}
            type="button"
            class="sw-button"
            aria-pressed={inside}
            title={inside ? "Take it out of this group" : "Put it into this group"}
            onClick={() => naming.change(place, { members: inside ? others(members) : [...members, member] })}
          >
            <GroupMark colour={colour} /> <bdi>{name}</bdi>
          </button>
        );
      })}
      {room && (
        <button type="button" class="sw-quiet" data-testid="name-node" title="Make a group of it, and give that a name" onClick={() => naming.name([member])}>
          Name {groups.length > 0 ? "it anew" : "it"}
        </button>
      )}
    </div>
  );
}
