import { useRef } from "preact/hooks";
import type { SizeHandle } from "./store";

/** Handlers for the curve's element: the size follows the pointer, and is written to the model once it is released. */
export function useSizeDrag(size: SizeHandle, sizeAt: (clientX: number) => number, enabled = true) {
  const pointer = useRef({ x: 0, frame: 0, held: false });
  const follow = () => {
    pointer.current.frame = 0;
    size.preview(sizeAt(pointer.current.x));
  };
  /** Returns whether there was a drag to end. */
  const end = (): boolean => {
    const { held, frame } = pointer.current;
    cancelAnimationFrame(frame);
    pointer.current = { x: 0, frame: 0, held: false };
    return held;
  };
  return {
    onPointerDown(event: PointerEvent) {
      if (event.button !== 0 || !enabled) return;
      const plot = event.currentTarget as HTMLElement;
      event.preventDefault(); // no text selection; the slider takes the focus instead, so that the keys go on from here
      plot.querySelector("input")?.focus({ preventScroll: true });
      plot.setPointerCapture?.(event.pointerId);
      const landmark = (event.target as Element).closest<SVGElement>("[data-landmark]")?.dataset.landmark;
      if (landmark) {
        size.preview(Number(landmark)); // a label names one size, and is no place to drag from
        size.commit();
        return;
      }
      pointer.current = { x: event.clientX, frame: 0, held: true };
      follow();
    },
    onPointerMove(event: PointerEvent) {
      if (!pointer.current.held || event.buttons !== 1) return;
      // A mouse may report many places within one frame; only the last is drawn.
      pointer.current.x = event.clientX;
      pointer.current.frame ||= requestAnimationFrame(follow);
    },
    /** Where it is let go counts; on a busy machine no move may have told of it. */
    onPointerUp(event: PointerEvent) {
      if (!end()) return;
      size.preview(sizeAt(event.clientX));
      size.commit();
    },
    /** The browser takes the finger for its own, to scroll the page. */
    onPointerCancel() {
      if (end()) size.discard();
    },
  };
}
