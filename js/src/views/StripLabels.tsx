import { range } from "d3-array";
import { labelHeight, type Strip } from "../logic/strip";

interface Props {
  /** One for each cell, shown or not. */
  names: string[];
  strip: Strip;
  first: number;
}

/** The tokens' names under the strip. Where there is no room for all, the last token, which predicts, keeps its own. */
export function StripLabels({ names, strip: { shown, cellWidth, flat, labelEvery }, first }: Props) {
  return (
    <div
      class={flat ? "sw-strip-labels" : "sw-strip-labels sw-strip-upright"}
      style={{ "--cell-x": `${cellWidth}px`, height: `${labelHeight(names, flat)}px` }}
      aria-hidden="true"
    >
      {range(first + ((shown - 1) % labelEvery), first + shown, labelEvery).map((cell) => (
        <bdi key={cell} style={{ left: `${(cell - first) * cellWidth}px` }}>{names[cell]}</bdi>
      ))}
    </div>
  );
}
