import type { Failure } from "../hooks/kernel";
import type { Kind } from "../protocol/messages";
import type { Status } from "../protocol/types";
import type { ViewProps } from "./props";

/** What did not happen; all that is on screen stays as it was. */
const leads: Partial<Record<Kind, string>> = { evaluate: "Not evaluated.", levels: "No further levels.", effects: "Not switched off.", trace: "Not traced.", compare: "Not drawn.", refine: "Not refined.", why: "Not looked into.", code: "No code." };

type Props = Pick<ViewProps, "status" | "conversation"> & Partial<Pick<ViewProps, "shown">>;

/** What went wrong with the last request of this view, else with Python's last work. */
export function ErrorBar({ status, conversation, shown: view }: Props) {
  const { failure, report, request } = conversation;
  const failed = status.state === "error";
  const evaluate = () => void request("evaluate", {});
  const refused: Failure | null = view?.refused ? { kind: "evaluate", sentence: view.refused } : null;
  const shown = failure ?? (failed ? failureOf(status, (kind) => void request(kind, {})) : refused);
  if (!shown) return null;
  const { kind, sentence, detail, again } = shown;
  const dismiss = () => {
    report(null);
    if (failed) evaluate(); // Python says it as well, until something succeeds
  };
  return (
    <div class="sw-error" role="alert" data-testid="error">
      <div>
        <p>
          {kind && leads[kind] && <b>{leads[kind]}</b>} {sentence}
        </p>
        {detail && (
          <details>
            <summary>All that the server said</summary>
            <pre tabIndex={0} data-testid="error-detail">{detail}</pre>
          </details>
        )}
      </div>
      {again && (
        <button type="button" class="sw-button" data-testid="again" onClick={again}>
          Try again
        </button>
      )}
      {kind !== "evaluate" && (
        <button type="button" class="sw-button" data-testid="dismiss" onClick={dismiss}>
          Dismiss
        </button>
      )}
    </div>
  );
}

function failureOf({ kind = "evaluate", message, detail }: Status, ask: (kind: "evaluate" | "levels" | "effects") => void): Failure {
  const again = kind === "evaluate" || kind === "levels" || kind === "effects";
  return { kind, sentence: message, detail, again: again ? () => ask(kind) : undefined };
}
