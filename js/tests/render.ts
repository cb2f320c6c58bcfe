// What the tests of the rendered Explorer share: one view in the page, and hands to use it.
import { act } from "preact/test-utils";
import explorer from "../src/explorer";
import type { EncodedViewState, ExplorerState } from "../src/protocol/types";
import { fakeModel, type FakeModel } from "./fakeModel";
import { makeEvaluation, makeState } from "./fixture";

export interface View {
  model: FakeModel;
  el: HTMLElement;
  unmount(): void;
  find(selector: string): HTMLElement;
  /** The element with a test id, or null. */
  seek(id: string): HTMLElement | null;
  get<E extends HTMLElement = HTMLElement>(id: string): E;
}

const views: View[] = [];

/** Takes every view away. */
export function clear(): void {
  for (const view of views.splice(0)) view.unmount();
  document.body.replaceChildren();
}

export function show(changes: Partial<ExplorerState> = {}, model = fakeModel({ ...makeState(), ...changes })): View {
  const el = document.body.appendChild(document.createElement("div"));
  let unmount = () => {};
  act(() => {
    unmount = explorer.render({ model, el });
  });
  const find = (selector: string): HTMLElement => {
    const found = el.querySelector<HTMLElement>(selector);
    if (!found) throw new Error(`nothing matches ${selector}`);
    return found;
  };
  const view: View = {
    model,
    el,
    unmount: () => act(() => unmount()),
    find,
    seek: (id) => el.querySelector(`[data-testid="${id}"]`),
    get: <E extends HTMLElement>(id: string) => find(`[data-testid="${id}"]`) as E,
  };
  views.push(view);
  return view;
}

export const click = (target: HTMLElement, options: MouseEventInit = {}) =>
  act(() => void target.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ...options })));
export const press = (target: HTMLElement, key: string, options: KeyboardEventInit = {}) =>
  act(() => void target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options })));
export const enter = (field: HTMLInputElement | HTMLTextAreaElement, text: string) =>
  act(() => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
export const choose = (select: HTMLSelectElement, value: string) =>
  act(() => {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  });
export const write = (model: FakeModel, changes: Partial<ExplorerState>) =>
  act(() => {
    for (const [name, value] of Object.entries(changes)) model.set(name as keyof ExplorerState, value as never);
  });
/** Lets promises and timers of 0 ms come through. */
export const settle = () => act(() => new Promise((resolve) => setTimeout(resolve, 5)));

/** Python evaluates the present state. */
export function evaluate(model: FakeModel): void {
  const request = { n_edges: model.get("n_edges"), toggles: model.get("toggles") };
  write(model, { evaluation: makeEvaluation(model.get("view_state") as EncodedViewState, request) });
}

/** Python traces anew, and says so. */
export async function traced(model: FakeModel, viewState: EncodedViewState, state: Partial<ExplorerState> = {}): Promise<void> {
  write(model, { view_state: viewState, evaluation: null, ...state });
  const { id } = model.sentOf("trace").at(-1)!;
  act(() => model.receive({ id, kind: "trace", ok: true }));
  await settle();
}
