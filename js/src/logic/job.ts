// A job on a server in words, and how long it has been where it is.
import type { Job, Status } from "../protocol/types";

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

/** Whether the levels are on their way, a few at a time, while all else can go on. */
export const comingLevels = ({ state, kind }: Status): boolean => state === "running" && kind === "levels";

/** Whether heads and MLPs are being switched off, a batch at a time: that too is no reason to wait. */
export const comingEffects = ({ state, kind }: Status): boolean => state === "running" && kind === "effects";

/** "7 s", "2 min 05 s", "1 h 04 min". */
export function formatWait(seconds: number): string {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), Math.floor(seconds % 60)];
  const two = (part: number) => String(part).padStart(2, "0");
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return minutes > 0 ? `${minutes} min ${two(rest)} s` : `${rest} s`;
}
