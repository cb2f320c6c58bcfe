// The card on one trace: from the model's traits to the views.
import { useMemo } from "preact/hooks";
import { missing, type Conversation } from "../hooks/kernel";
import { writeToggles, writeTrait } from "../hooks/store";
import { historyKey, travel } from "../hooks/travel";
import { useAnnouncement } from "../hooks/useAnnouncement";
import { useHistory } from "../hooks/useHistory";
import { usePlace } from "../hooks/usePlace";
import { useShown } from "../hooks/useShown";
import type { Theme } from "../logic/scales";
import { sessionFile } from "../logic/sessionFile";
import { settingsOf } from "../logic/settings";
import type { Bundle, ExplorerModel, Status, Step } from "../protocol/state";
import { ErrorBar } from "./ErrorBar";
import { FootLine } from "./FootLine";
import { HistoryBar } from "./HistoryBar";
import { LayerView } from "./LayerView";
import { MeasuredCurve } from "./MeasuredCurve";
import { NextToken } from "./NextToken";
import { NodeDetail } from "./NodeDetail";
import { PromptLine } from "./PromptLine";
import { ReadingLine } from "./ReadingLine";
import { ServerLine } from "./ServerLine";
import { SessionBar } from "./SessionBar";
import { TokenView } from "./TokenView";
import { TourButton, TourCallout, useTour } from "./Tour";
import { TriedList } from "./TriedList";

interface Props {
  model: ExplorerModel;
  bundle: Bundle;
  theme: Theme;
  status: Status | null;
  conversation: Conversation;
}

export function Card({ model, bundle, theme, status, conversation }: Props) {
  const shown = useShown(model, bundle);
  const { size, toggles, live, switchable, trace } = shown;
  const tracing = conversation.asking === "trace";
  const history = useHistory(model, tracing);
  const place = usePlace(bundle, shown);
  const tour = useTour(shown.kernel);

  const reading = useMemo(() => (tracing ? { ...shown.reading, state: "stale" as const } : shown.reading), [shown.reading, tracing]);
  const announcement = useAnnouncement(toggles, bundle.importance, reading, bundle.n_heads);

  const present: Step = { settings: settingsOf(bundle), n_edges: size.nEdges, toggles };
  const { go, move, load } = travel(model, conversation, live, switchable);
  const pressKey = (event: KeyboardEvent) => {
    if (event.key === "Escape" && !event.defaultPrevented && tour.step !== null) tour.end();
    const by = historyKey(event);
    if (by === 0) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has an undo of its own
    size.commit();
    move(history.at + by);
  };

  // With few layers the grid leaves room below it.
  const fewLayers = bundle.n_layers <= 8;
  const detail = <NodeDetail model={model} bundle={bundle} shown={shown} node={place.node} />;

  return (
    <div class="sw-whole" onKeyDown={pressKey}>
      {tour.step !== null && <TourCallout tour={tour} step={tour.step} live={live} />}
      <PromptLine model={model} bundle={bundle} shown={shown} status={status} conversation={conversation} />
      <ServerLine model={model} server={bundle.server} status={status} conversation={conversation} />
      <ErrorBar status={status} conversation={conversation} />
      <div class="sw-body" inert={tracing} aria-busy={tracing}>
        <div class="sw-top">
          <ReadingLine bundle={bundle} nEdges={size.nEdges} reading={reading} status={status} />
          <MeasuredCurve model={model} bundle={bundle} shown={shown} reading={reading} conversation={conversation} />
        </div>
        <div class="sw-columns">
          <div class="sw-column">
            <NextToken reading={reading} />
            <TokenView bundle={bundle} trace={trace} theme={theme} />
            {!fewLayers && detail}
          </div>
          <div class="sw-column">
            <LayerView model={model} bundle={bundle} shown={shown} theme={theme} place={place} />
            {fewLayers && detail}
          </div>
        </div>
        <FootLine bundle={bundle} shown={shown} missing={missing(model)} onToggles={(next) => writeToggles(model, next)}>
          <HistoryBar history={history} present={present} live={live} switchable={switchable} onMove={move} onGo={go} />
          <SessionBar
            bundle={bundle}
            live={live}
            conversation={conversation}
            onSave={() => sessionFile(bundle, size.nEdges, toggles, model.get("history"))}
            onLoad={load}
          />
          <TourButton tour={tour} />
        </FootLine>
        <TriedList history={history} present={present} live={live} switchable={switchable} onGo={go} onHistory={(next) => writeTrait(model, "history", next)} />
      </div>
      <div class="sw-unseen" role="status" aria-live="polite" data-testid="announcement">
        {announcement}
      </div>
    </div>
  );
}
