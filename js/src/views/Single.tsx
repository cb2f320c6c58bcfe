// The Explorer's views one by one: each a card of its own over the same model.
import { render as renderTree } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { useConversation, type Conversation } from "../hooks/kernel";
import { useTrait } from "../hooks/store";
import { keepKey, useKeptFocus } from "../hooks/useKeptFocus";
import { usePlace } from "../hooks/usePlace";
import { useShown, type Shown } from "../hooks/useShown";
import { useTheme } from "../hooks/useTheme";
import type { Theme } from "../logic/scales";
import { decodeBundle, type Bundle, type ExplorerModel, type Status } from "../protocol/state";
import { ErrorBar } from "./ErrorBar";
import { LayerView } from "./LayerView";
import { MeasuredCurve } from "./MeasuredCurve";
import { NextToken } from "./NextToken";
import { NodeDetail } from "./NodeDetail";
import { PromptLine } from "./PromptLine";
import { ReadingLine } from "./ReadingLine";
import { ServerLine } from "./ServerLine";
import { SizeCurve } from "./SizeCurve";
import { TokenView } from "./TokenView";

interface PartProps {
  model: ExplorerModel;
  bundle: Bundle;
  theme: Theme;
  shown: Shown;
  status: Status | null;
  conversation: Conversation;
}

function Reading({ bundle, shown, status }: PartProps) {
  return <ReadingLine bundle={bundle} nEdges={shown.size.nEdges} reading={shown.reading} status={status} />;
}

function SizeSlider(props: PartProps) {
  const { size, reading, switched } = props.shown;
  return (
    <div class="sw-top">
      <Reading {...props} />
      <SizeCurve bundle={props.bundle} size={size} reading={reading} switched={switched} curves={[]} tools={null} />
    </div>
  );
}

function CurveView({ model, bundle, shown, conversation }: PartProps) {
  return (
    <div class="sw-top">
      <MeasuredCurve model={model} bundle={bundle} shown={shown} reading={shown.reading} conversation={conversation} />
    </div>
  );
}

function HeadView(props: PartProps) {
  return (
    <>
      <div class="sw-top">
        <Reading {...props} />
      </div>
      <div class="sw-column">
        <NextToken reading={props.shown.reading} />
      </div>
    </>
  );
}

function Layers({ model, bundle, theme, shown }: PartProps) {
  const place = usePlace(bundle, shown);
  return (
    <div class="sw-column">
      <LayerView model={model} bundle={bundle} shown={shown} theme={theme} place={place} />
      <NodeDetail model={model} bundle={bundle} shown={shown} node={place.node} />
    </div>
  );
}

function Tokens({ model, bundle, theme, shown, status, conversation }: PartProps) {
  return (
    <>
      <PromptLine model={model} bundle={bundle} shown={shown} status={status} conversation={conversation} />
      <div class="sw-column">
        <TokenView bundle={bundle} trace={shown.trace} theme={theme} />
      </div>
    </>
  );
}

const parts = { SizeSlider, CurveView, HeadView, LayerView: Layers, TokenView: Tokens };
export type ViewName = keyof typeof parts;

/** One reading of the model for all of a view: the line above a curve follows the hand on it. */
function Body({ view, ...props }: Omit<PartProps, "shown"> & { view: ViewName }) {
  const Part = parts[view];
  return <Part {...props} shown={useShown(props.model, props.bundle)} />;
}

function SingleView({ model, el, view }: { model: ExplorerModel; el: HTMLElement; view: ViewName }) {
  const encoded = useTrait(model, "bundle");
  const bundle = useMemo(() => decodeBundle(encoded), [encoded]);
  const theme = useTheme(el);
  const status = useTrait(model, "status");
  const conversation = useConversation(model);
  const card = useRef<HTMLDivElement>(null);
  useKeptFocus(card);
  return (
    <div ref={card} class="strace-widgets" data-theme={theme} data-testid={`strace-${view}`} data-lm-suppress-shortcuts="true" onKeyDown={keepKey}>
      <article class="sw-card" aria-label={`s-Trace ${view}`}>
        {bundle && <ServerLine model={model} server={bundle.server} status={status} conversation={conversation} />}
        <ErrorBar status={status} conversation={conversation} />
        {bundle && (
          <Body key={`${bundle.n_layers} ${bundle.n_heads}`} view={view} model={model} bundle={bundle} theme={theme} status={status} conversation={conversation} />
        )}
      </article>
    </div>
  );
}

/** Draws one view of a model into an element; returns how to take it away. */
export function mountView(model: ExplorerModel, view: ViewName, el: HTMLElement): () => void {
  renderTree(<SingleView model={model} el={el} view={view} />, el);
  return () => renderTree(null, el);
}
