// The Explorer: one card over the traits of one model.
import { render as renderTree } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { useConversation } from "./hooks/kernel";
import { useTrait } from "./hooks/store";
import { keepKey, useKeptFocus } from "./hooks/useKeptFocus";
import { useTheme } from "./hooks/useTheme";
import { pageModel } from "./logic/pageModel";
import { decodeBundle, type ExplorerModel, type ExplorerState } from "./protocol/state";
import { Card } from "./views/Card";
import { ErrorBar } from "./views/ErrorBar";
import { mountPage } from "./views/page";
import { mountView, type ViewName } from "./views/Single";

function Explorer({ model, el }: { model: ExplorerModel; el: HTMLElement }) {
  const encoded = useTrait(model, "bundle");
  const status = useTrait(model, "status");
  const bundle = useMemo(() => decodeBundle(encoded), [encoded]);
  const conversation = useConversation(model);
  const theme = useTheme(el);
  const card = useRef<HTMLDivElement>(null);
  useKeptFocus(card);
  return (
    <div ref={card} class="strace-widgets" data-theme={theme} data-testid="strace-explorer" data-lm-suppress-shortcuts="true" onKeyDown={keepKey}>
      <article class="sw-card" aria-label="s-Trace Explorer">
        {bundle ? (
          <Card key={`${bundle.n_layers} ${bundle.n_heads}`} model={model} bundle={bundle} theme={theme} status={status} conversation={conversation} />
        ) : (
          <>
            <ErrorBar status={status} conversation={conversation} />
            {status?.state !== "error" && <p class="sw-empty">{status?.message || "Waiting for the trace."}</p>}
          </>
        )}
      </article>
    </div>
  );
}

function render({ model, el }: { model: ExplorerModel; el: HTMLElement }): () => void {
  renderTree(<Explorer model={model} el={el} />, el);
  return () => renderTree(null, el);
}

/** What single views ask of the Explorer's model: see `strace_widgets/explorer/views.py`. */
function initialize({ model }: { model: ExplorerModel }) {
  return { mount: (view: ViewName, el: HTMLElement) => mountView(model, view, el) };
}

/** Draws a saved state, with no kernel behind it: on a page, and where JupyterLab opens a .strace file (`js/lab`). */
export function replay(state: Partial<ExplorerState>, el: HTMLElement): () => void {
  return render({ model: pageModel(state), el });
}

mountPage(document, replay);

export default { initialize, render };
