import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** The width within an element's padding, in pixels, followed as it changes; `initial` where nothing is laid out yet. */
export function useWidth<E extends Element>(initial: number): [RefObject<E | null>, number] {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(initial);
  useLayoutEffect(() => {
    if (!ref.current) return;
    // A hidden element reports no width: keep the last one until it is shown again.
    const follow = (now: number) => now > 0 && setWidth(now);
    // An observer tells only with the next frame: until then all would be drawn, and could be pressed, elsewhere.
    follow(widthWithin(ref.current));
    if (!("ResizeObserver" in globalThis)) return;
    const observer = new ResizeObserver(([entry]) => follow(entry.contentRect.width));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

function widthWithin(element: Element): number {
  const { paddingLeft, paddingRight } = getComputedStyle(element);
  return element.getBoundingClientRect().width - parseFloat(paddingLeft) - parseFloat(paddingRight);
}
