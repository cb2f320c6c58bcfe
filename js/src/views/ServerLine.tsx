import { useState } from "preact/hooks";
import { useTrait } from "../hooks/store";
import type { Status } from "../protocol/types";
import { JobText } from "./JobText";
import type { ViewProps } from "./props";

/** Where the model runs and, while a job is waited for, how far that is. As high with news as without. */
export function ServerLine({ model, viewState: { server }, status, conversation }: ViewProps) {
  const [stopped, setStopped] = useState<Status | null>(null);
  const live = useTrait(model, "live"); // an exported page runs nowhere
  if (!server || !live) return null;
  const { request, cancel } = conversation;
  const job = status.state === "running" ? status.job : undefined;
  const evaluating = job && !status.message; // other work has a step to tell, and its button beside that
  const outcome = status.state === "ready" && status.kind === "evaluate" ? status.message : "";
  const stop = () => {
    setStopped(status);
    cancel();
  };
  return (
    <div class="sw-server" data-testid="server-line">
      <span class="sw-note">on {server}</span>
      {job && <JobText job={job} />}
      {evaluating && (
        <button type="button" class="sw-button" data-testid="stop-waiting" disabled={stopped !== null && stopped === status} onClick={stop}>
          Stop waiting
        </button>
      )}
      {outcome && <span class="sw-job" role="status" data-testid="stopped" title={outcome}>{outcome}</span>}
      {outcome && (
        <button type="button" class="sw-button" data-testid="evaluate-again" onClick={() => request("evaluate", {})}>
          Try again
        </button>
      )}
    </div>
  );
}
