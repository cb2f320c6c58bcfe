import { useMemo } from "preact/hooks";
import { missing } from "../hooks/kernel";
import { writeToggles, writeTrait } from "../hooks/store";
import { historyKey, travel } from "../hooks/travel";
import { useAnnouncement } from "../hooks/useAnnouncement";
import { useFocusedNode } from "../hooks/useFocusedNode";
import { useHistory } from "../hooks/useHistory";
import { useTour } from "../hooks/useTour";
import { comingLevels } from "../logic/job";
import { questionText } from "../logic/question";
import { sessionFile } from "../logic/sessionFile";
import { measureName, settingsOf } from "../logic/settings";
import type { Step } from "../protocol/types";
import { ErrorBar } from "./ErrorBar";
import { FootLine } from "./FootLine";
import { GraphView } from "./GraphView";
import { HistoryBar } from "./HistoryBar";
import { LayerLens } from "./Inside";
import { LayerView } from "./LayerView";
import { MeasuredCurve } from "./MeasuredCurve";
import { NextToken } from "./NextToken";
import { NodeDetail } from "./NodeDetail";
import { PromptLine } from "./PromptLine";
import type { ViewProps } from "./props";
import { ReadingLine } from "./ReadingLine";
import { ServerLine } from "./ServerLine";
import { SessionBar } from "./SessionBar";
import { TokenView } from "./TokenView";
import { TourButton, TourCallout } from "./Tour";
import { TriedList } from "./TriedList";

/** The whole Explorer on one trace. */
export function Card(props: ViewProps) {
  const { model, viewState, conversation } = props;
  const { size, toggles, live, toggleable, kernel } = props.shown;
  const tracing = conversation.asking === "trace";
  const history = useHistory(model, tracing || comingLevels(props.status));
  const tour = useTour(kernel);

  // What is on screen belongs to the last trace, while another one is computed.
  const reading = useMemo(
    () => (tracing ? { ...props.shown.reading, state: "stale" as const } : props.shown.reading),
    [props.shown.reading, tracing],
  );
  const announcement = useAnnouncement(toggles, measureName(viewState), questionText(viewState), reading, viewState.n_heads);
  const views = { ...props, shown: { ...props.shown, reading } };

  const present: Step = { settings: settingsOf(viewState), n_edges: size.nEdges, toggles };
  const { go, move, load } = travel(model, conversation, live, toggleable);
  const pressKey = (event: KeyboardEvent) => {
    if (event.key === "Escape" && !event.defaultPrevented && tour.step !== null) tour.end();
    const by = historyKey(event);
    if (by === 0) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has an undo of its own
    size.commit();
    move(history.at + by);
  };

  return (
    <div class="sw-whole" onKeyDown={pressKey}>
      {tour.step !== null && <TourCallout tour={tour} step={tour.step} live={live} viewState={viewState} />}
      <PromptLine {...views} />
      <ServerLine {...views} />
      <ErrorBar {...views} />
      <div class="sw-body" inert={tracing} aria-busy={tracing}>
        <div class="sw-top">
          <ReadingLine {...views} />
          <MeasuredCurve {...views} forming />
        </div>
        <Columns {...views} />
        <FootLine {...views} missing={missing(model)} onToggles={(next) => writeToggles(model, next)}>
          <HistoryBar history={history} present={present} live={live} toggleable={toggleable} onMove={move} onGo={go} />
          <SessionBar
            {...views}
            onSave={() => sessionFile(viewState, size.nEdges, toggles, kept(model))}
            onLoad={load}
          />
          <TourButton tour={tour} />
        </FootLine>
        <TriedList history={history} present={present} live={live} toggleable={toggleable} onGo={go} onHistory={(next) => writeTrait(model, "history", next)} />
      </div>
      <div class="sw-unseen" role="status" aria-live="polite" data-testid="announcement">
        {announcement}
      </div>
    </div>
  );
}

/** What a session file has besides the present state. */
const kept = (model: ViewProps["model"]) => ({
  history: model.get("history"),
  shade: model.get("shade"),
  effects: model.get("effects"),
  groups: model.get("groups"),
  note: model.get("note"),
});

/** The graph over the prediction and its tokens beside the layers. With few layers the grid leaves room for the node below it. */
function Columns(props: ViewProps) {
  const focused = useFocusedNode(props.viewState, props.shown);
  const fewLayers = props.viewState.n_layers <= 8;
  const detail = <NodeDetail {...props} node={focused.node} />;
  return (
    <>
      <div class="sw-column sw-graph-part">
        <GraphView {...props} focused={focused} />
      </div>
      <div class="sw-columns">
        <div class="sw-column">
          <NextToken {...props} />
          <TokenView {...props} />
          {!fewLayers && detail}
        </div>
        <div class="sw-column">
          <LayerView {...props} focused={focused} />
          {fewLayers && detail}
          <LayerLens {...props} />
        </div>
      </div>
    </>
  );
}
