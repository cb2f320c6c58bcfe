import { firstStep, isReachable, sameStep } from "../logic/history";
import type { History, Step } from "../protocol/types";

interface Props {
  history: History;
  present: Step;
  live: boolean;
  toggleable: boolean;
  /** Moves to a step of the history. */
  onMove(at: number): void;
  /** Goes to a state, as a new step. */
  onGo(step: Step): void;
}

/** Undo, redo, and back to where it began. */
export function HistoryBar({ history, present, live, toggleable, onMove, onGo }: Props) {
  const first = firstStep(history, present);
  const canMove = (by: 1 | -1) => isReachable(history.steps[history.at + by], present, live, toggleable);
  const canReset = isReachable(first, present, live, toggleable) && !sameStep(first, present);
  return (
    <div class="sw-tools" role="group" aria-label="History">
      <Tool id="undo" label="Undo" hint="Undo (Ctrl+Z)" enabled={canMove(-1)} onUse={() => onMove(history.at - 1)}>
        ↶
      </Tool>
      <Tool id="redo" label="Redo" hint="Redo (Shift+Ctrl+Z)" enabled={canMove(1)} onUse={() => onMove(history.at + 1)}>
        ↷
      </Tool>
      <Tool id="reset" label="Start over" hint="Back to the first size, without toggles" enabled={canReset} onUse={() => first && onGo(first)}>
        Start over
      </Tool>
    </div>
  );
}

interface ToolProps {
  id: string;
  label: string;
  hint: string;
  enabled: boolean;
  onUse(): void;
  children: string;
}

function Tool({ id, label, hint, enabled, onUse, children }: ToolProps) {
  return (
    <button
      type="button"
      class="sw-quiet"
      data-testid={id}
      aria-label={label}
      title={hint}
      aria-disabled={!enabled || undefined} // not `disabled`: at the last step the focus stays
      onClick={() => enabled && onUse()}
    >
      {children}
    </button>
  );
}
