import { useMemo } from "preact/hooks";
import { counterpartOf } from "../logic/curves";
import type { Choices, Curve } from "../protocol/types";
import { MeasureChoice } from "./MeasureChoice";
import type { ViewProps } from "./props";

interface Props extends Pick<ViewProps, "viewState" | "conversation"> {
  choices: Choices;
  curves: readonly Curve[];
}

const baselines = ["inverse", "random"];

/** Which other measures and baselines to draw; where no other measure is, one that is worth it at once. */
export function CompareMeasures({ viewState, choices, curves, conversation }: Props) {
  const waiting = conversation.asking !== null;
  const drawn = useMemo(() => curves.map(({ name }) => name), [curves]);
  const measures = choices.importance.map(({ name }) => name);
  const names = [...measures.filter((name) => name !== viewState.importance), ...baselines];
  const draw = (wanted: string[]) => void conversation.request("compare", { names: names.filter((name) => wanted.includes(name)) });
  const counterpart = curves.some(({ kind }) => kind === "measure") ? undefined : counterpartOf(viewState.importance, measures);
  return (
    <>
      {counterpart && (
        <button
          type="button"
          class="sw-quiet"
          data-testid="counterpart"
          title={`Draws the curve of ${counterpart} over this one`}
          disabled={waiting}
          onClick={() => draw([...drawn, counterpart])}
        >
          vs {counterpart}
        </button>
      )}
      <MeasureChoice names={names} drawn={drawn} waiting={waiting} onDraw={draw} />
    </>
  );
}
