import { useState } from "preact/hooks";
import type { Conversation } from "../kernel";
import type { Status } from "../state";
import { JobText } from "./JobText";

interface Props {
  server: string;
  status: Status | null;
  conversation: Conversation;
}

/** Where the model runs and, while a job is waited for, how far that is. As high with news as without. */
export function ServerLine({ server, status, conversation }: Props) {
  const [stopped, setStopped] = useState<Status | null>(null);
  if (!server) return null;
  const { request, cancel } = conversation;
  const job = status?.state === "running" ? status.job : undefined;
  const evaluating = job && !status?.message; // other work has a step to tell, and its button beside that
  const outcome = status?.state === "ready" && status.kind === "evaluate" ? status.message : "";
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
