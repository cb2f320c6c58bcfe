import { useTrait } from "../hooks/store";
import { travel } from "../hooks/travel";
import { CompareMeasures } from "./CompareMeasures";
import type { ViewProps } from "./props";
import { SizeCurve } from "./SizeCurve";

/** The slider on its curve among those of other measures; with a kernel, a way to draw more and to switch. */
export function MeasuredCurve(props: ViewProps) {
  const { model, shown, conversation } = props;
  const { curves, live } = shown;
  const choices = useTrait(model, "choices");
  const { measure } = travel(model, conversation, live);
  return (
    <SizeCurve
      {...props}
      curves={curves}
      onMeasure={live ? ({ name, refined }) => measure(name, refined) : undefined}
      tools={live && <CompareMeasures {...props} choices={choices} curves={curves} />}
    />
  );
}
