import { useEffect, useRef } from "preact/hooks";
import { useCallout } from "../hooks/useCallout";
import type { TourState } from "../hooks/useTour";
import { tourOf, type TourStep } from "../logic/tour";
import type { ViewState } from "../protocol/types";

export function TourButton({ tour: { step, toggle } }: { tour: TourState }) {
  return (
    <button type="button" class="sw-quiet" data-testid="tour" title="What is what here" aria-expanded={step !== null} onClick={(event) => toggle(event.currentTarget)}>
      Tour
    </button>
  );
}

interface CalloutProps {
  tour: TourState;
  step: number;
  live: boolean;
  viewState: ViewState;
}

/** One step: a ring around its part, and a callout beside that. The rest of the card is free to use meanwhile. */
export function TourCallout({ tour: state, step, live, viewState }: CalloutProps) {
  const steps = tourOf(viewState);
  const { part, title, text, replay } = steps[step];
  const { ref, place } = useCallout(part, state.asked);
  return (
    <>
      {place && <div class="sw-tour-ring" style={inPixels({ ...place.ring })} />}
      <div
        ref={ref}
        class="sw-tour"
        role="dialog"
        aria-label={`Tour: ${title}`}
        data-testid="tour-callout"
        data-side={place?.position.side}
        style={place ? inPixels({ left: place.position.left, top: place.position.top, "--arrow": place.position.arrow }) : { opacity: 0 }}
      >
        <div aria-live="polite">
          <h3 class="sw-title">{title}</h3>
          <p>{live ? text : (replay ?? text)}</p>
        </div>
        <TourSteps tour={state} step={step} steps={steps} />
      </div>
    </>
  );
}

const inPixels = (style: Record<string, number>) => Object.fromEntries(Object.entries(style).map(([name, value]) => [name, `${value}px`]));

/** How far the tour is, and its buttons; of a tour that was asked for, "Next" takes the focus. */
function TourSteps({ tour: { opener, go, end }, step, steps }: Pick<CalloutProps, "tour" | "step"> & { steps: readonly TourStep[] }) {
  const next = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (opener) next.current?.focus({ preventScroll: true });
  }, [opener]);
  const isLast = step === steps.length - 1;
  return (
    <div class="sw-tour-line">
      <span class="sw-note">
        {step + 1} of {steps.length}
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
  );
}
