// The prompt's shares, drawn past the renderer: of thousands of tokens few change theirs from one frame to the next.
import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { formatShare } from "../logic/scales";
import { partOf } from "../logic/tokenText";
import type { ViewState } from "../protocol/types";
import { useSettled } from "./useSettled";

/** Gives each child of a list its share at once, and its title when the size rests. */
export function useTokenShares<E extends HTMLElement>(viewState: ViewState, shares: number[]): RefObject<E | null> {
  const list = useRef<E>(null);
  const drawn = useRef<{ viewState: ViewState; shares: number[] } | null>(null);
  const present = useMemo(() => ({ viewState, shares }), [viewState, shares]);
  const settled = useSettled(present);

  useLayoutEffect(() => {
    const before = drawn.current?.viewState === viewState ? drawn.current.shares : [];
    shares.forEach((share, index) => {
      const bar = share !== before[index] && list.current?.children[index]?.querySelector<HTMLElement>(".sw-token-share");
      if (bar) bar.style.transform = `scaleX(${share})`;
    });
    drawn.current = present;
  }, [present]);

  // Of a long prompt only some lines are in sight: the explained token's is.
  useLayoutEffect(() => {
    const token = list.current?.children[viewState.position];
    if (!list.current || !token) return;
    const [box, of] = [token.getBoundingClientRect(), list.current.getBoundingClientRect()];
    if (box.bottom > of.bottom) list.current.scrollTop += box.bottom - of.bottom;
    else if (box.top < of.top) list.current.scrollTop += box.top - of.top;
  }, [viewState]);

  useLayoutEffect(() => {
    [...(list.current?.children ?? [])].forEach((token, index) => {
      const title = tokenTitle(settled.viewState, settled.shares, index);
      if (token.getAttribute("title") !== title) token.setAttribute("title", title);
    });
  }, [settled]);

  return list;
}

function tokenTitle({ position, all_tokens }: ViewState, shares: number[], index: number): string {
  const whole = partOf(all_tokens, index);
  const token = `Token ${index}${whole && `, part of “${whole}”`}`;
  if (index > position) return `${token}: after the position explained`;
  return `${token}${index === position ? ", the position explained" : ""}: ${formatShare(shares[index])} of its edges in the trace`;
}
