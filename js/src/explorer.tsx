// The Explorer: one card over the traits of one model, and its views one by one.
import { render as renderTree, type ComponentProps } from "preact";
import { pageModel } from "./logic/pageModel";
import type { ExplorerModel } from "./protocol/model";
import { upgradeState } from "./protocol/upgrade";
import { Card } from "./views/Card";
import { mountPage } from "./views/page";
import { Shell } from "./views/Shell";
import { singleView, type ViewName } from "./views/SingleView";

/** Draws into an element; returns how to take it away. A host may as well abort a signal. */
function draw(card: ComponentProps<typeof Shell>, signal?: AbortSignal): () => void {
  renderTree(<Shell {...card} />, card.el);
  const remove = () => renderTree(null, card.el);
  signal?.addEventListener("abort", remove, { once: true });
  return remove;
}

const render = ({ model, el, signal }: { model: ExplorerModel; el: HTMLElement; signal?: AbortSignal }) =>
  draw({ model, el, name: "explorer", label: "s-Trace Explorer", view: Card }, signal);

/** What single views and a study ask of the Explorer's model: see `strace_widgets/explorer/views.py`. */
const initialize = ({ model }: { model: ExplorerModel }) => ({
  mount: (name: ViewName | "Explorer", el: HTMLElement) =>
    name === "Explorer" ? render({ model, el }) : draw({ model, el, name, label: `s-Trace ${name}`, view: singleView(name) }),
});

/**
 * Draws a saved state, of version 1 too, with no kernel behind it: on a page, and where JupyterLab opens a .strace file
 * (`js/lab`).
 */
export const replay = (state: object, el: HTMLElement): (() => void) => render({ model: pageModel(upgradeState(state)), el });

mountPage(document, replay);

export default { initialize, render };
