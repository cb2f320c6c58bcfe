import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { placeCallout, ringAround, type Box, type CalloutPosition } from "../logic/tour";

interface Callout {
  /** For the callout's element, a child of the card. */
  ref: RefObject<HTMLDivElement | null>;
  /** Null until the part and the callout are measured. */
  place: { ring: Box; position: CalloutPosition } | null;
}

/** Where a step's callout and its ring lie: beside a part of the card, and with it as it moves. `asked` brings both into view. */
export function useCallout(part: string, asked: boolean): Callout {
  const ref = useRef<HTMLDivElement>(null);
  const [measured, setMeasured] = useState<{ part: string; ring: Box; position: CalloutPosition } | null>(null);
  useLayoutEffect(() => {
    const card = ref.current?.parentElement;
    const target = card?.querySelector(part);
    if (!card || !target) return;
    const measure = () => {
      if (!ref.current) return;
      const outer = card.getBoundingClientRect();
      const inner = target.getBoundingClientRect();
      const { width, height } = inner;
      const ring = ringAround({ left: inner.left - outer.left, top: inner.top - outer.top, width, height }, outer);
      const extent = { width: ref.current.offsetWidth, height: ref.current.offsetHeight };
      setMeasured({ part, ring, position: placeCallout(ring, extent, outer) });
    };
    measure();
    if (!("ResizeObserver" in globalThis)) return;
    // What opens in the card moves what lies below it.
    const observer = new ResizeObserver(measure);
    for (const watched of [card, target]) observer.observe(watched);
    return () => observer.disconnect();
  }, [part]);
  // Once it lies there; what came unasked leaves the page where it is.
  useEffect(() => {
    if (!asked || !measured) return;
    const card = ref.current?.parentElement;
    for (const shown of [card?.querySelector(part), ref.current]) shown?.scrollIntoView?.({ block: "nearest" });
  }, [asked, measured?.part]);
  return { ref, place: measured };
}
