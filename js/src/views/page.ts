// A page without a kernel: an Explorer in front of each state that is embedded in it.
const statesInPage = "script.strace-widgets-state[type='application/json']";

export type Replay = (state: object, el: HTMLElement) => () => void;

/** Draws an Explorer in front of each state in the page, once. */
export function mountPage(page: Document, replay: Replay): void {
  for (const script of page.querySelectorAll<HTMLElement>(statesInPage)) {
    if (script.dataset.drawn) continue;
    script.dataset.drawn = "true";
    const el = page.createElement("div");
    script.before(el);
    replay(JSON.parse(script.textContent ?? "{}"), el);
  }
}
