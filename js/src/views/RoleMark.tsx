import type { Role } from "../logic/question";

/** The target's mark is filled, the foil's hollow. */
export function RoleMark({ role }: { role: Role | null }) {
  return (
    <svg class="sw-role" data-role={role} width="11" height="11" viewBox="-6 -6 12 12" aria-hidden="true">
      {role && <path d="M0-5 5 0 0 5-5 0Z" />}
    </svg>
  );
}
