// A page without a kernel: what is embedded in it, each in front of its data.
export type Replay = (state: object, el: HTMLElement) => () => void;

/** Draws an Explorer in front of each state in the page, once. */
export const mountPage = (page: Document, replay: Replay): void => mountEach(page, "state", replay);

/** Draws in front of each element of data with a name, once: see `data_element` in `strace_widgets/explorer/html_page.py`. */
export function mountEach<Data extends object>(page: Document, name: string, draw: (data: Data, el: HTMLElement) => unknown): void {
  for (const script of page.querySelectorAll<HTMLElement>(`script.strace-widgets-${name}[type='application/json']`)) {
    if (script.dataset.drawn) continue;
    script.dataset.drawn = "true";
    const el = page.createElement("div");
    script.before(el);
    draw(JSON.parse(script.textContent ?? "{}") as Data, el);
  }
}
