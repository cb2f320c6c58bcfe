import { askedNames } from "../logic/question";
import { measureName } from "../logic/settings";
import { formatSigned } from "../logic/scales";
import type { ViewState } from "../protocol/types";
import { RoleMark } from "./RoleMark";

interface Props {
  viewState: ViewState;
  /** Whether tokens can be chosen. */
  enabled: boolean;
  onClear(): void;
}

/** Why the target rather than the foil, or how to ask that. */
export function Asked({ viewState, enabled, onClear }: Props) {
  const { question } = viewState;
  if (!question?.target.length) {
    return enabled ? <p class="sw-asked sw-note">Click a token to ask for it alone, a second one to set it against that.</p> : null;
  }
  const { target, foil } = askedNames(question);
  const full = question.full_figure;
  return (
    <div class="sw-asked" data-testid="asked">
      <p>
        Why <RoleMark role="target" /><bdi>{target}</bdi>
        {foil && (
          <>
            {" "}rather than <RoleMark role="foil" /><bdi>{foil}</bdi>
          </>
        )}
        ? <span class="sw-note">{foil ? "logit difference" : "log p"} {full === null ? "∞" : formatSigned(full)} in the full model{question.ordered ? "" : `; edges are ranked by ${measureName(viewState)}, for all tokens`}</span>
        {enabled && (
          <button type="button" class="sw-button" data-testid="clear-target" title="Asks about all tokens again (Escape)" onClick={onClear}>
            Clear
          </button>
        )}
      </p>
      {foil && full !== null && full < 0 && <p class="sw-loss">The full model prefers <bdi>{foil}</bdi>.</p>}
    </div>
  );
}
