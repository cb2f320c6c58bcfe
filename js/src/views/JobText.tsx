import { useSecondsSince } from "../hooks/useSecondsSince";
import { formatWait, stageName } from "../logic/job";
import type { Job } from "../protocol/types";

/** Where a job on a server is, for how long, and what the server says. The seconds are for the eye alone. */
export function JobText({ job }: { job: Job }) {
  const seconds = useSecondsSince(job.since);
  return (
    <span class="sw-job" data-testid="job" data-stage={job.stage} title={job.description}>
      <b>{stageName(job)}</b> <span aria-hidden="true">{formatWait(seconds)}</span> <span class="sw-note">{job.description}</span>
    </span>
  );
}
