import type { Conversation } from "../kernel";
import type { Status } from "../state";

interface Props {
  status: Status | null;
  conversation: Conversation;
}

/** What went wrong with the last request of this view, else with the last evaluation. */
export function ErrorBar({ status, conversation }: Props) {
  const { error, report, request } = conversation;
  const failed = status?.state === "error";
  if (!error && !failed) return null;
  const dismiss = () => {
    report("");
    if (failed) void request("evaluate", {}); // Python says it as well, until something succeeds
  };
  return (
    <div class="sw-error" role="alert" data-testid="error">
      <p>{error || status?.message}</p>
      {error ? (
        <button type="button" class="sw-button" data-testid="dismiss" onClick={dismiss}>
          Dismiss
        </button>
      ) : (
        <button type="button" class="sw-button" onClick={() => request("evaluate", {})}>
          Try again
        </button>
      )}
    </div>
  );
}
