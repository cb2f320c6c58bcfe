import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import explorer from "../src/explorer";
import { fakeModel } from "./fakeModel";
import { makeState } from "./fixture";

let el: HTMLElement;
let unmount: () => void = () => {};
const get = (id: string) => el.querySelector<HTMLElement>(`[data-testid="${id}"]`)!;

function mount(view: Parameters<ReturnType<typeof explorer.initialize>["mount"]>[0]) {
  const model = fakeModel(makeState());
  act(() => {
    unmount = explorer.initialize({ model }).mount(view, el);
  });
  return model;
}

beforeEach(() => {
  vi.useFakeTimers();
  el = document.body.appendChild(document.createElement("div"));
});
afterEach(() => {
  act(() => unmount());
  document.body.replaceChildren();
  vi.useRealTimers();
});

it("reads along while the size is moved, before the model hears of it", () => {
  const model = mount("SizeSlider");
  const before = get("edges").dataset.edges;
  act(() => void get("slider").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true })));
  expect(get("edges").dataset.edges).not.toBe(before);
  expect(model.saved).toEqual([]);
});

it.each(["SizeSlider", "CurveView", "FormingView", "GraphView", "TopKView", "LayerView", "TokenView"] as const)("%s greets the kernel once and leaves nothing behind", (view) => {
  const model = mount(view);
  expect(get(`strace-${view}`)).toBeTruthy();
  expect(model.sentOf("hello").length).toBe(1);
  act(() => unmount());
  expect(model.listeners).toBe(0);
});
