// A study: one card over its prompts, in which the Explorer of a prompt opens.
import { render as renderTree } from "preact";
import { replay } from "./explorer";
import type { StudyPage } from "./protocol/study";
import { pageSource, widgetSource, type Host, type StudyModel, type StudySource } from "./study/source";
import { StudyView } from "./study/StudyView";

const studiesInPage = "script.strace-widgets-study[type='application/json']";

function draw(source: StudySource, el: HTMLElement, css: { get(name: never): unknown }): () => void {
  renderTree(<StudyView source={source} el={el} css={css} />, el);
  return () => renderTree(null, el);
}

function render({ model, el, host, signal }: { model: StudyModel; el: HTMLElement; host: Host; signal?: AbortSignal }) {
  const gone = new AbortController();
  const source = widgetSource(model, host, replay, gone.signal);
  const undraw = draw(source, el, model as never);
  const remove = () => {
    gone.abort();
    undraw();
  };
  signal?.addEventListener("abort", remove, { once: true });
  return remove;
}

const noSheet = { get: () => undefined };
for (const script of document.querySelectorAll<HTMLElement>(studiesInPage)) {
  if (script.dataset.drawn) continue;
  script.dataset.drawn = "true";
  const el = document.createElement("div");
  script.before(el);
  draw(pageSource(JSON.parse(script.textContent ?? "{}") as StudyPage, replay), el, noSheet);
}

export default { render };
