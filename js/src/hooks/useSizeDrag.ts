import { useRef } from "preact/hooks";
import type { SizeHandle } from "./store";

/** Handlers for the curve's element: the size follows the pointer, and is written to the model once it is released. */
export function useSizeDrag(size: SizeHandle, sizeAt: (clientX: number) => number) {
  const pointer = useRef({ x: 0, frame: 0 });
  const follow = () => {
    pointer.current.frame = 0;
    size.preview(sizeAt(pointer.current.x));
  };
  const release = () => {
    if (pointer.current.frame) {
      cancelAnimationFrame(pointer.current.frame);
      follow();
    }
    size.commit();
  };
  return {
    onPointerDown(event: PointerEvent) {
      if (event.button !== 0) return;
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
      pointer.current.x = event.clientX;
      follow();
    },
    onPointerMove(event: PointerEvent) {
      if (!size.moving || event.buttons !== 1) return;
      // A mouse may report many places within one frame; only the last is drawn.
      pointer.current.x = event.clientX;
      pointer.current.frame ||= requestAnimationFrame(follow);
    },
    onPointerUp: release,
    onPointerCancel: release,
  };
}
