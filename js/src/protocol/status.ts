// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `python js/generate_protocol.py`: change it there.

/** A job on a server that is waited for. */
export interface Job {
  /** `received`, `queued`, `provisioning`, `deploying`, `dispatched`, `running`, or `completed` while its answer is fetched. */
  stage: string;
  /** When this stage began, in seconds since 1970 by the kernel's clock. */
  since: number;
  /** The server's words, such as a place in the queue. */
  description: string;
}

/** What Python is doing. */
export interface Status {
  /** Whether it waits, works, or has failed. */
  state: "ready" | "running" | "error";
  /** The step under way, what went wrong, what was given up, or what is missing in a replay. */
  message: string;
  /** 0..1 while a trace is computed anew or refined. */
  progress: number;
  /** The request that the message is about; without one, the evaluation, or while it works any other. */
  kind?: "evaluate" | "trace" | "compare" | "refine" | "levels" | "effects" | "why" | "inside";
  /** Where a server failed: all that it said, perhaps nothing; asking again may then help. */
  detail?: string;
  /** While a job on a server is waited for. */
  job?: Job;
}
