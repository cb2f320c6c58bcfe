// The Explorer: one card over the traits of one model.
import { render as renderTree } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useAnnouncement } from "./announce";
import { componentAt, placeOf, type GridPlace } from "./grid";
import { mountPage } from "./page";
import { read } from "./reading";
import { decodeBundle, type Bundle, type ExplorerModel, type Status } from "./state";
import { askAgain, useSize, useTrait, writeToggles } from "./store";
import { useTheme, type Theme } from "./theme";
import { parseKey } from "./toggles";
import { nodeAt, strongestHead, tokenShares, traceAt } from "./trace";
import { FootLine } from "./views/FootLine";
import { LayerView } from "./views/LayerView";
import { NextToken } from "./views/NextToken";
import { NodeDetail } from "./views/NodeDetail";
import { PromptLine } from "./views/PromptLine";
import { ReadingLine } from "./views/ReadingLine";
import { SizeCurve } from "./views/SizeCurve";
import { TokenView } from "./views/TokenView";

function Explorer({ model, el }: { model: ExplorerModel; el: HTMLElement }) {
  const encoded = useTrait(model, "bundle");
  const status = useTrait(model, "status");
  const bundle = useMemo(() => decodeBundle(encoded), [encoded]);
  const theme = useTheme(el);
  return (
    <div class="strace-widgets" data-theme={theme} data-testid="strace-explorer" data-lm-suppress-shortcuts="true">
      <article class="sw-card" aria-label="s-Trace Explorer">
        {bundle ? (
          <Card key={`${bundle.n_layers} ${bundle.n_heads}`} model={model} bundle={bundle} theme={theme} work={status?.state ?? "ready"} />
        ) : (
          status?.state !== "error" && <p class="sw-empty">{status?.message || "Waiting for the trace."}</p>
        )}
        {status?.state === "error" && (
          <div class="sw-error" role="alert" data-testid="error">
            <p>{status.message}</p>
            <button type="button" class="sw-button" onClick={() => askAgain(model)}>
              Try again
            </button>
          </div>
        )}
      </article>
    </div>
  );
}

interface CardProps {
  model: ExplorerModel;
  bundle: Bundle;
  theme: Theme;
  work: Status["state"];
}

function Card({ model, bundle, theme, work }: CardProps) {
  const size = useSize(model);
  const toggles = useTrait(model, "toggles");
  const evaluation = useTrait(model, "evaluation");
  const live = useTrait(model, "live");
  const [current, setCurrent] = useState<GridPlace>(() => placeOf(strongestHead(bundle), bundle.n_heads));
  const [pointed, setPointed] = useState<string | null>(null);

  const reading = useMemo(() => read(bundle, size.nEdges, toggles, evaluation), [bundle, size.nEdges, toggles, evaluation]);
  const trace = useMemo(() => traceAt(bundle, size.nEdges), [bundle, size.nEdges]);
  const shares = useMemo(() => tokenShares(bundle, trace), [bundle, trace]);
  const announcement = useAnnouncement(toggles, reading, bundle.n_heads);

  const switched = Object.keys(toggles).length > 0;
  const hasSwitchedEvaluation = switched && evaluation !== null && Object.keys(evaluation.toggles).length > 0;
  const node = nodeAt(bundle, trace, toggles, pointed ? parseKey(pointed) : componentAt(current, bundle.n_heads));
  const goTo = (place: GridPlace) => {
    setCurrent(place);
    setPointed(null); // the keys lead, until the pointer moves on
  };
  const switchTo = (next: typeof toggles) => writeToggles(model, next);

  return (
    <>
      <PromptLine bundle={bundle} shares={shares} />
      <div class="sw-top">
        <ReadingLine bundle={bundle} nEdges={size.nEdges} reading={reading} work={work} />
        <SizeCurve bundle={bundle} size={size} reading={reading} switched={hasSwitchedEvaluation ? evaluation : null} />
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
      <FootLine toggles={toggles} heads={bundle.n_heads} live={live} onToggles={switchTo} />
      <div class="sw-unseen" role="status" aria-live="polite">
        {announcement}
      </div>
    </>
  );
}

function render({ model, el }: { model: ExplorerModel; el: HTMLElement }): () => void {
  renderTree(<Explorer model={model} el={el} />, el);
  return () => renderTree(null, el);
}

mountPage(document, render);

export default { render };
