// What a canvas must know of the style sheet, whose colours it reads: that it is there, and whether the reader has others.
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

const mostLooks = 120; // frames

/** Whether the style sheet has come, which has a property: a shadow root gets it only once it was drawn into. */
export function useStyled(element: RefObject<HTMLElement | null>, property: string): boolean {
  const [styled, setStyled] = useState(true);
  useEffect(() => {
    let frame = 0;
    const look = (tries: number) => {
      const found = element.current !== null && getComputedStyle(element.current).getPropertyValue(property) !== "";
      setStyled(found);
      if (!found && tries > 0) frame = requestAnimationFrame(() => look(tries - 1));
    };
    look(mostLooks);
    return () => cancelAnimationFrame(frame);
  }, []);
  return styled;
}

export function useForcedColours(): boolean {
  const [forced, setForced] = useState(() => globalThis.matchMedia?.("(forced-colors: active)").matches ?? false);
  useEffect(() => {
    const media = globalThis.matchMedia?.("(forced-colors: active)");
    const update = () => setForced(media.matches);
    media?.addEventListener("change", update);
    return () => media?.removeEventListener("change", update);
  }, []);
  return forced;
}
