// What a screen reader is told of a switch, once its answer is there. The slider speaks for itself.
import { useEffect, useRef, useState } from "preact/hooks";
import { isFlat, topToken, type Reading } from "./reading";
import { formatDistance, formatProbability, visibleToken } from "./scales";
import type { Toggles } from "./state";
import { describeChange } from "./toggles";

export function useAnnouncement(toggles: Toggles, reading: Reading, heads: number): string {
  const [announcement, setAnnouncement] = useState("");
  const announced = useRef(toggles);
  const answered = reading.state !== "stale";
  useEffect(() => {
    if (!answered || announced.current === toggles) return;
    const change = describeChange(announced.current, toggles, heads);
    announced.current = toggles;
    const top = topToken(reading);
    const token = top.token.trim() || visibleToken(top.token);
    if (!change) return;
    const says = isFlat(top.probability) ? "no token above 0.001" : `top token ${token} ${formatProbability(top.probability)}`;
    setAnnouncement(`${change}: TV ${formatDistance(reading.totalVariation)}, ${says}`);
  }, [toggles, answered, reading]);
  return announcement;
}
