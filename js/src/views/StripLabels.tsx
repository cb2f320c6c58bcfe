import { range } from "d3-array";
import { labelColumns, labelHeight, type Strip } from "../logic/strip";
import { fitted } from "../logic/tokenText";

interface Props {
  /** One for each cell, shown or not. */
  names: string[];
  strip: Strip;
  first: number;
}

/** The tokens' names under the strip. Where there is no room for all, the last token, which predicts, keeps its own. */
export function StripLabels({ names, strip, first }: Props) {
  const { shown, cellWidth, flat, labelEvery } = strip;
  const labels = fitted(names, labelColumns(strip));
  return (
    <div
      class={flat ? "sw-strip-labels" : "sw-strip-labels sw-strip-upright"}
      style={{ "--cell-x": `${cellWidth}px`, height: `${labelHeight(labels, flat)}px` }}
      aria-hidden="true"
    >
      {range(first + ((shown - 1) % labelEvery), first + shown, labelEvery).map((cell) => (
        <bdi key={cell} style={{ left: `${(cell - first) * cellWidth}px` }}>{labels[cell]}</bdi>
      ))}
    </div>
  );
}
