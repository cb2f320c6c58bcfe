// A pointer over a picture: where it is, and the box that it draws.
import { useRef, useState } from "preact/hooks";
import type { Box } from "../logic/scatter";

const still = 4; // px: less is a click

interface Hands {
  onPoint(x: number, y: number): void;
  onLeave(): void;
  onClick(x: number, y: number): void;
  onBox(box: Box): void;
}

/** The handlers for the element whose corner is the origin once `left` and `top` are taken away, and the box under way. */
export function useBrush(left: number, top: number, { onPoint, onLeave, onClick, onBox }: Hands) {
  const from = useRef<[number, number] | null>(null);
  const [box, setBox] = useState<Box | null>(null);
  const at = (event: PointerEvent): [number, number] => {
    const { left: x, top: y } = (event.currentTarget as Element).getBoundingClientRect();
    return [event.clientX - x - left, event.clientY - y - top];
  };
  const between = ([x, y]: [number, number], [otherX, otherY]: [number, number]): Box => ({
    left: Math.min(x, otherX),
    top: Math.min(y, otherY),
    right: Math.max(x, otherX),
    bottom: Math.max(y, otherY),
  });
  const end = () => {
    from.current = null;
    setBox(null);
  };
  return {
    box,
    handlers: {
      onPointerDown(event: PointerEvent) {
        if (event.button !== 0) return;
        from.current = at(event);
        (event.currentTarget as Element).setPointerCapture?.(event.pointerId);
      },
      onPointerMove(event: PointerEvent) {
        const here = at(event);
        onPoint(...here);
        if (!from.current) return;
        const drawn = between(from.current, here);
        if (box || Math.max(drawn.right - drawn.left, drawn.bottom - drawn.top) > still) {
          setBox(drawn);
          onBox(drawn);
        }
      },
      onPointerUp(event: PointerEvent) {
        if (from.current && !box) onClick(...at(event));
        end();
      },
      onPointerCancel: end,
      onPointerLeave: onLeave,
    },
  };
}
