import type { ToggleState } from "../logic/toggles";

interface Props {
  /** What is switched, for the button's name. */
  of: string;
  state: ToggleState | "mixed";
  toggleable: boolean;
  testId?: string;
  onToggle(): void;
}

/** A toggle as a small button: auto → off → on. Where nothing can be switched it only says what is. */
export function StateButton({ of, state, toggleable, testId = "graph-toggle", onToggle }: Props) {
  if (!toggleable && state === "auto") return null;
  return (
    <button
      type="button"
      class="sw-state"
      data-state={state}
      data-testid={testId}
      aria-label={`${of}: ${state}`}
      aria-disabled={!toggleable || undefined}
      title={toggleable ? "auto → off → on" : undefined}
      onClick={onToggle}
    >
      {state}
    </button>
  );
}
