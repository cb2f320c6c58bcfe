import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Kernel } from "../hooks/kernel";
import { isFirstTime, placeCallout, ringAround, tour, type Box, type CalloutPosition } from "../logic/tour";

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

export function TourButton({ tour: { step, toggle } }: { tour: TourState }) {
  return (
    <button type="button" class="sw-quiet" data-testid="tour" title="What is what here" aria-expanded={step !== null} onClick={(event) => toggle(event.currentTarget)}>
      Tour
    </button>
  );
}

const inPixels = (style: Record<string, number>) => Object.fromEntries(Object.entries(style).map(([name, value]) => [name, `${value}px`]));

interface CalloutProps {
  tour: TourState;
  step: number;
  live: boolean;
}

/** One step: a ring around its part, and a callout beside that. The rest of the card is free to use meanwhile. */
export function TourCallout({ tour: { asked, opener, go, end }, step, live }: CalloutProps) {
  const { part, title, text, replay } = tour[step];
  const callout = useRef<HTMLDivElement>(null);
  const next = useRef<HTMLButtonElement>(null);
  const [measured, setMeasured] = useState<{ step: number; ring: Box; position: CalloutPosition } | null>(null);

  useLayoutEffect(() => {
    const card = callout.current?.parentElement;
    const target = card?.querySelector(part);
    if (!callout.current || !card || !target) return;
    const measure = () => {
      if (!callout.current) return;
      const outer = card.getBoundingClientRect();
      const inner = target.getBoundingClientRect();
      const { width, height } = inner;
      const ring = ringAround({ left: inner.left - outer.left, top: inner.top - outer.top, width, height }, outer);
      const extent = { width: callout.current.offsetWidth, height: callout.current.offsetHeight };
      setMeasured({ step, ring, position: placeCallout(ring, extent, outer) });
    };
    measure();
    if (!("ResizeObserver" in globalThis)) return;
    // What opens in the card moves what lies below it.
    const observer = new ResizeObserver(measure);
    for (const watched of [card, target]) observer.observe(watched);
    return () => observer.disconnect();
  }, [step]);
  // Once it lies there; what came unasked leaves the page where it is.
  useEffect(() => {
    if (!asked || !measured) return;
    const card = callout.current?.parentElement;
    for (const shown of [card?.querySelector(part), callout.current]) shown?.scrollIntoView?.({ block: "nearest" });
  }, [asked, measured?.step]);
  useEffect(() => {
    if (opener) next.current?.focus({ preventScroll: true });
  }, [opener]);

  const isLast = step === tour.length - 1;
  return (
    <>
      {measured && <div class="sw-tour-ring" style={inPixels({ ...measured.ring })} />}
      <div
        ref={callout}
        class="sw-tour"
        role="dialog"
        aria-label={`Tour: ${title}`}
        data-testid="tour-callout"
        data-side={measured?.position.side}
        style={measured ? inPixels({ left: measured.position.left, top: measured.position.top, "--arrow": measured.position.arrow }) : { opacity: 0 }}
      >
        <div aria-live="polite">
          <h3 class="sw-title">{title}</h3>
          <p>{live ? text : (replay ?? text)}</p>
        </div>
        <div class="sw-tour-line">
          <span class="sw-note">
            {step + 1} of {tour.length}
          </span>
          {!isLast && (
            <button type="button" class="sw-quiet" data-testid="tour-skip" onClick={end}>
              Skip
            </button>
          )}
          {step > 0 && (
            <button type="button" class="sw-button" data-testid="tour-back" onClick={() => go(step - 1)}>
              Back
            </button>
          )}
          <button ref={next} type="button" class="sw-button" data-testid="tour-next" onClick={() => (isLast ? end() : go(step + 1))}>
            {isLast ? "Done" : "Next"}
          </button>
        </div>
      </div>
    </>
  );
}
