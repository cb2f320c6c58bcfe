import { useEffect, useState } from "preact/hooks";
import { isFirstTime } from "../logic/tour";
import type { Kernel } from "./kernel";

export interface TourState {
  /** The present step, or null while it is not shown. */
  step: number | null;
  /** Whether the person asked for this step: then it is brought into view. */
  asked: boolean;
  /** The button that began it, to which the focus returns; null when it came by itself. */
  opener: HTMLElement | null;
  toggle(opener: HTMLElement): void;
  go(step: number): void;
  end(): void;
}

const closed = { step: null, asked: false, opener: null };

/** The tour of one card. It comes by itself once, where a kernel answers: there all that it speaks of can be done. */
export function useTour(kernel: Kernel): TourState {
  const [state, setState] = useState<Pick<TourState, "step" | "asked" | "opener">>(closed);
  useEffect(() => {
    if (kernel === "live" && isFirstTime()) setState({ step: 0, asked: false, opener: null });
  }, [kernel]);
  const end = () => {
    state.opener?.focus();
    setState(closed);
  };
  return {
    ...state,
    toggle: (opener) => (state.step === null ? setState({ step: 0, asked: true, opener }) : end()),
    go: (step) => setState({ ...state, step, asked: true }),
    end,
  };
}
