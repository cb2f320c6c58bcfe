// A job on a server in words, and how long it has been where it is.
import { useEffect, useState } from "preact/hooks";
import type { Job } from "./state";

const stages: Record<string, string> = {
  received: "received",
  queued: "queued",
  provisioning: "finding room for the model",
  deploying: "loading the model",
  dispatched: "sent to the model",
  running: "running",
  completed: "fetching the answer",
};

export const stageName = ({ stage }: Job): string => stages[stage] ?? stage;

/** "7 s", "2 min 05 s", "1 h 04 min". */
export function formatWait(seconds: number): string {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), Math.floor(seconds % 60)];
  const two = (part: number) => String(part).padStart(2, "0");
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return minutes > 0 ? `${minutes} min ${two(rest)} s` : `${rest} s`;
}

/** The seconds since a moment, counted on while they are shown. The kernel's clock may be ahead of this one. */
export function useSecondsSince(since: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [since]);
  return Math.max(0, now / 1000 - since);
}
