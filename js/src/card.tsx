// The card on one trace: from the model's traits to the views.
import { useMemo, useState } from "preact/hooks";
import { useAnnouncement } from "./announce";
import { componentAt, placeOf, type GridPlace } from "./grid";
import type { Conversation } from "./kernel";
import { useHistory } from "./recorder";
import { sessionFile } from "./sessionFile";
import { settingsOf } from "./settings";
import { useShown } from "./shown";
import type { Bundle, ExplorerModel, Status, Step } from "./state";
import { useTrait, writeToggles, writeTrait } from "./store";
import type { Theme } from "./theme";
import { parseKey } from "./toggles";
import { nodeAt, strongestHead } from "./trace";
import { historyKey, travel } from "./travel";
import { CompareMeasures } from "./views/CompareMeasures";
import { FootLine } from "./views/FootLine";
import { HistoryBar } from "./views/HistoryBar";
import { LayerView } from "./views/LayerView";
import { NextToken } from "./views/NextToken";
import { NodeDetail } from "./views/NodeDetail";
import { PromptLine } from "./views/PromptLine";
import { ReadingLine } from "./views/ReadingLine";
import { SessionBar } from "./views/SessionBar";
import { SizeCurve } from "./views/SizeCurve";
import { TokenView } from "./views/TokenView";
import { TriedList } from "./views/TriedList";

interface Props {
  model: ExplorerModel;
  bundle: Bundle;
  theme: Theme;
  status: Status | null;
  conversation: Conversation;
}

export function Card({ model, bundle, theme, status, conversation }: Props) {
  const shown = useShown(model, bundle);
  const { size, toggles, curves, kernel, live, trace, shares, switched } = shown;
  const choices = useTrait(model, "choices");
  const tracing = conversation.asking === "trace";
  const history = useHistory(model, tracing);
  const [current, setCurrent] = useState<GridPlace>(() => placeOf(strongestHead(bundle), bundle.n_heads));
  const [pointed, setPointed] = useState<string | null>(null);

  const reading = useMemo(() => (tracing ? { ...shown.reading, state: "stale" as const } : shown.reading), [shown.reading, tracing]);
  const announcement = useAnnouncement(toggles, reading, bundle.n_heads);

  const node = nodeAt(bundle, trace, toggles, pointed ? parseKey(pointed) : componentAt(current, bundle.n_heads));
  const present: Step = { settings: settingsOf(bundle), n_edges: size.nEdges, toggles };
  const { trace: traceAnew, go, move, load } = travel(model, conversation, live);
  const goTo = (place: GridPlace) => {
    setCurrent(place);
    setPointed(null); // the keys lead, until the pointer moves on
  };
  const switchTo = (next: typeof toggles) => writeToggles(model, next);
  const pressKey = (event: KeyboardEvent) => {
    const by = historyKey(event);
    if (by === 0) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has an undo of its own
    size.commit();
    move(history.at + by);
  };

  const measures = live && <CompareMeasures bundle={bundle} choices={choices} curves={curves} nEdges={size.nEdges} conversation={conversation} />;

  return (
    <div onKeyDown={pressKey}>
      <PromptLine bundle={bundle} shares={shares} choices={choices} status={status} live={live} tracing={tracing} onTrace={traceAnew} />
      <div class="sw-body" inert={tracing} aria-busy={tracing}>
        <div class="sw-top">
          <ReadingLine bundle={bundle} nEdges={size.nEdges} reading={reading} work={status?.state ?? "ready"} />
          <SizeCurve
            bundle={bundle}
            size={size}
            reading={reading}
            switched={switched}
            curves={curves}
            tools={measures}
          />
        </div>
        <div class="sw-columns">
          <div class="sw-column">
            <NextToken reading={reading} />
            <TokenView bundle={bundle} trace={trace} theme={theme} />
            <NodeDetail bundle={bundle} node={node} nEdges={size.nEdges} />
          </div>
          <div class="sw-column">
            <LayerView
              bundle={bundle}
              trace={trace}
              toggles={toggles}
              theme={theme}
              live={live}
              moving={size.moving}
              current={current}
              onCurrent={goTo}
              onPoint={setPointed}
              onToggles={switchTo}
            />
          </div>
        </div>
        <FootLine toggles={toggles} heads={bundle.n_heads} kernel={kernel} onToggles={switchTo}>
          <HistoryBar history={history} present={present} live={live} onMove={move} onGo={go} />
          <SessionBar
            bundle={bundle}
            live={live}
            conversation={conversation}
            onSave={() => sessionFile(bundle, size.nEdges, toggles, model.get("history"))}
            onLoad={load}
          />
        </FootLine>
        <TriedList history={history} present={present} live={live} onGo={go} onHistory={(next) => writeTrait(model, "history", next)} />
      </div>
      <div class="sw-unseen" role="status" aria-live="polite">
        {announcement}
      </div>
    </div>
  );
}
