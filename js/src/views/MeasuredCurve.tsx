import { useTrait } from "../hooks/store";
import { travel } from "../hooks/travel";
import { CompareMeasures } from "./CompareMeasures";
import type { ViewProps } from "./props";
import { SizeCurve } from "./SizeCurve";

/** The slider on its curve among those of other measures; with a kernel, a way to draw more and to switch. */
export function MeasuredCurve({ forming, ...props }: ViewProps & { forming?: boolean }) {
  const { model, viewState, shown, status, conversation } = props;
  const { curves, live } = shown;
  const choices = useTrait(model, "choices");
  const known = useTrait(model, "jumps");
  const { measure } = travel(model, conversation, live);
  return (
    <SizeCurve
      {...props}
      forming={forming}
      curves={curves}
      why={{ known, asking: conversation.asking === "why", ask: live ? (n_edges) => void conversation.request("why", { n_edges }) : undefined }}
      onMeasure={live ? ({ name, refined }) => measure(name, refined) : undefined}
      tools={live && (
        <>
          {viewState.levels_follow && status.state !== "running" && (
            <button type="button" class="sw-button" data-testid="more-levels" onClick={() => void conversation.request("levels", {})}>
              Go on with the curve
            </button>
          )}
          <CompareMeasures {...props} choices={choices} curves={curves} />
        </>
      )}
    />
  );
}
