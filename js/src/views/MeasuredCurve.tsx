import type { Conversation } from "../hooks/kernel";
import { useTrait } from "../hooks/store";
import { travel } from "../hooks/travel";
import type { Shown } from "../hooks/useShown";
import type { Reading } from "../logic/reading";
import type { Bundle, ExplorerModel } from "../protocol/state";
import { CompareMeasures } from "./CompareMeasures";
import { SizeCurve } from "./SizeCurve";

interface Props {
  model: ExplorerModel;
  bundle: Bundle;
  shown: Shown;
  reading: Reading;
  conversation: Conversation;
}

/** The slider on its curve among those of other measures; with a kernel, a way to draw more and to switch. */
export function MeasuredCurve({ model, bundle, shown, reading, conversation }: Props) {
  const { size, switched, curves, live } = shown;
  const choices = useTrait(model, "choices");
  const { measure } = travel(model, conversation, live);
  return (
    <SizeCurve
      bundle={bundle}
      size={size}
      reading={reading}
      switched={switched}
      curves={curves}
      onMeasure={live ? measure : undefined}
      tools={live && <CompareMeasures bundle={bundle} choices={choices} curves={curves} conversation={conversation} />}
    />
  );
}
