// A study: one card over its prompts, in which the Explorer of a prompt opens.
import { render as renderTree } from "preact";
import { replay } from "./explorer";
import type { StudyPage } from "./protocol/study";
import { pageSource, widgetSource, type Host, type StudyModel, type StudySource } from "./study/source";
import { StudyView } from "./study/StudyView";
import { mountEach } from "./views/page";

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
mountEach<StudyPage>(document, "study", (page, el) => draw(pageSource(page, replay), el, noSheet));

export default { render };
