import type { Conversation } from "../kernel";
import type { Reading } from "../reading";
import type { Shown } from "../shown";
import type { Bundle, ExplorerModel } from "../state";
import { useTrait } from "../store";
import { travel } from "../travel";
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
