// What a screen reader is told of a toggle, another measure and another target, once its answer is there. The slider speaks for itself.
import { useEffect, useRef, useState } from "preact/hooks";
import { isFlat, topToken, type Reading } from "../logic/reading";
import { formatDistance, formatFaithfulness, formatProbability } from "../logic/scales";
import { visibleToken } from "../logic/tokenText";
import { describeChange } from "../logic/toggles";
import type { Toggles } from "../protocol/types";

export function useAnnouncement(toggles: Toggles, importance: string, asked: string, reading: Reading, heads: number): string {
  const [announcement, setAnnouncement] = useState("");
  const announced = useRef({ toggles, importance, asked });
  const answered = reading.state !== "stale";
  useEffect(() => {
    const before = announced.current;
    if (!answered || (before.toggles === toggles && before.importance === importance && before.asked === asked)) return;
    const measure = before.importance === importance ? "" : `importance ${importance}`;
    const change = [measure, before.asked === asked ? "" : asked, describeChange(before.toggles, toggles, heads)].filter(Boolean).join(", ");
    announced.current = { toggles, importance, asked };
    const top = topToken(reading);
    const token = top.token.trim() || visibleToken(top.token);
    if (!change) return;
    const says = isFlat(top.probability) ? "no token above 0.001" : `top token ${token} ${formatProbability(top.probability)}`;
    const faithful = reading.faithfulness === undefined ? "" : `faithfulness ${formatFaithfulness(reading.faithfulness)}, `;
    setAnnouncement(`${change}: ${faithful}TV ${formatDistance(reading.total_variation)}, ${says}`);
  }, [toggles, importance, asked, answered, reading]);
  return announcement;
}
