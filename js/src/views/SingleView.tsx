// The Explorer's views one by one: each a card of its own over the same model.
import { useFocusedNode } from "../hooks/useFocusedNode";
import { ErrorBar } from "./ErrorBar";
import { GraphView } from "./GraphView";
import { Groups } from "./Groups";
import { LayerView } from "./LayerView";
import { MeasuredCurve } from "./MeasuredCurve";
import { NextToken } from "./NextToken";
import { NodeDetail } from "./NodeDetail";
import { PromptLine } from "./PromptLine";
import type { ViewProps } from "./props";
import { ReadingLine } from "./ReadingLine";
import { ServerLine } from "./ServerLine";
import { SizeCurve } from "./SizeCurve";
import { TokenView } from "./TokenView";

function SizeSlider(props: ViewProps) {
  return (
    <div class="sw-top">
      <ReadingLine {...props} />
      <SizeCurve {...props} curves={[]} />
    </div>
  );
}

function CurveView(props: ViewProps) {
  return (
    <div class="sw-top">
      <MeasuredCurve {...props} />
    </div>
  );
}

function FormingView(props: ViewProps) {
  return (
    <div class="sw-top">
      <ReadingLine {...props} />
      <SizeCurve {...props} curve={false} forming curves={[]} />
    </div>
  );
}

function TopKView(props: ViewProps) {
  return (
    <>
      <div class="sw-top">
        <ReadingLine {...props} />
      </div>
      <div class="sw-column">
        <NextToken {...props} />
      </div>
    </>
  );
}

function Layers(props: ViewProps) {
  const focused = useFocusedNode(props.viewState, props.shown);
  return (
    <div class="sw-column">
      <LayerView {...props} focused={focused} />
      <NodeDetail {...props} node={focused.node} />
    </div>
  );
}

function Graph(props: ViewProps) {
  const focused = useFocusedNode(props.viewState, props.shown);
  return (
    <div class="sw-column">
      <GraphView {...props} focused={focused} />
      {focused.pointed && <NodeDetail {...props} node={focused.node} />}
      <Groups {...props} />
    </div>
  );
}

function Tokens(props: ViewProps) {
  return (
    <>
      <PromptLine {...props} />
      <div class="sw-column">
        <TokenView {...props} />
      </div>
    </>
  );
}

const parts = { SizeSlider, CurveView, FormingView, TopKView, LayerView: Layers, TokenView: Tokens, GraphView: Graph };
export type ViewName = keyof typeof parts;

/** What one view's card holds. */
export function singleView(name: ViewName) {
  const Part = parts[name];
  return (props: ViewProps) => (
    <>
      <ServerLine {...props} />
      <ErrorBar {...props} />
      <Part {...props} />
    </>
  );
}
