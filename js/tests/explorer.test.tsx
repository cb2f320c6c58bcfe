import axe from "axe-core";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import explorer, { replay } from "../src/explorer";
import { pageModel } from "../src/logic/pageModel";
import type { EncodedViewState, ExplorerState } from "../src/protocol/types";
import { mountPage } from "../src/views/page";
import { fakeModel, type FakeModel } from "./fakeModel";
import { makeEvaluation, makeState } from "./fixture";

const state = makeState();
const viewState = state.view_state as EncodedViewState;
let el: HTMLElement;
let unmount: (() => void) | undefined;

function show(changes: Partial<ExplorerState> = {}): FakeModel {
  const model = fakeModel({ ...state, ...changes });
  act(() => {
    unmount = explorer.render({ model, el });
  });
  return model;
}

const find = (selector: string): HTMLElement => {
  const found = el.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
};
const byTestId = (id: string) => find(`[data-testid="${id}"]`);
const cell = (key: string) => find(`[data-component="${key}"]`);
const press = (target: HTMLElement, key: string, options = {}) =>
  act(() => void target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options })));
const click = (target: HTMLElement) => act(() => target.click());
const write = (model: FakeModel, changes: Partial<ExplorerState>) =>
  act(() => {
    for (const [name, value] of Object.entries(changes)) model.set(name as keyof ExplorerState, value as never);
  });

beforeEach(() => {
  vi.useFakeTimers();
  el = document.body.appendChild(document.createElement("div"));
});
afterEach(() => {
  act(() => unmount?.());
  unmount = undefined;
  document.body.replaceChildren();
  document.body.removeAttribute("data-jp-theme-light");
  vi.useRealTimers();
});

describe("size", () => {
  it("follows the keys at once and reaches the model when they rest", () => {
    const model = show();
    const slider = byTestId("slider");
    press(slider, "ArrowRight");
    press(slider, "ArrowRight");
    expect(byTestId("edges").dataset.edges).toBe("3");
    expect(model.saved).toEqual([]);
    act(() => void vi.advanceTimersByTime(200));
    expect(model.saved).toEqual([{ n_edges: 3, toggles: {} }]);
  });

  it("has larger steps, and both ends", () => {
    show();
    const slider = byTestId("slider");
    press(slider, "End");
    expect(byTestId("size").textContent).toBe("s = 1");
    expect(byTestId("tv").textContent).toBe("0.000");
    press(slider, "PageDown");
    expect(byTestId("state").dataset.state).toBe("exact");
    press(slider, "Home");
    expect(slider.getAttribute("aria-valuetext")).toMatch(/^s = 0\.\d+, 1 edge, total variation 0\.9\d+, exact$/);
  });

  it("is written on release of a drag, not during it", () => {
    const model = show();
    const plot = find(".sw-curve");
    const point = (type: string, clientX: number) =>
      act(() => void plot.dispatchEvent(new MouseEvent(type, { clientX, buttons: 1, bubbles: true, cancelable: true })));
    point("pointerdown", 500);
    const first = byTestId("edges").dataset.edges;
    point("pointermove", 600);
    point("pointermove", 700);
    act(() => void vi.advanceTimersToNextFrame());
    const second = byTestId("edges").dataset.edges;
    expect(second).not.toBe(first);
    expect(model.saved).toEqual([]);
    point("pointermove", 300); // not drawn yet when the button comes up
    point("pointerup", 300);
    expect(model.saved).toHaveLength(1);
    expect(model.get("n_edges")).toBeLessThan(Number(second));
    expect(document.activeElement).toBe(byTestId("slider"));
  });

  it("follows the model when Python moves it", () => {
    const model = show();
    write(model, { n_edges: 7 });
    expect(byTestId("edges").dataset.edges).toBe("7");
  });

  it("is not lost when the view goes away before the keys rest", () => {
    const model = show();
    press(byTestId("slider"), "End");
    act(() => unmount?.());
    expect(model.saved).toEqual([{ n_edges: viewState.n_edges, toggles: {} }]);
  });
});

describe("toggles", () => {
  it("cycle on click, Enter and Space, and are written at once", () => {
    const model = show();
    click(cell("1.0"));
    expect(cell("1.0").dataset.state).toBe("off");
    press(cell("1.0"), "Enter");
    expect(cell("1.0").dataset.state).toBe("on");
    press(cell("1.0"), " ");
    expect(model.saved.map(({ toggles }) => toggles)).toEqual([{ "1.0": "off" }, { "1.0": "on" }, {}]);
  });

  it("make the numbers stale until their answer arrives, and then say it", () => {
    const model = show({ n_edges: 5 });
    click(cell("1.0"));
    expect(byTestId("state").dataset.state).toBe("stale");
    write(model, { evaluation: makeEvaluation(viewState, { n_edges: 5, toggles: { "1.0": "off" } }) });
    expect(byTestId("state").dataset.state).toBe("exact");
    expect(byTestId("tv").textContent).toBe("0.610");
    expect(byTestId("announcement").textContent).toMatch(/^Head 1\.0 off: TV 0\.610, top token \w+ 0\.\d+$/);
    expect(find(".sw-toggled")).toBeTruthy();
  });

  it("switch a whole layer from its opened row", () => {
    const model = show();
    click(find('[data-layer="2"]'));
    const off = [...byTestId("open-layer").querySelectorAll("button")].find((button) => button.textContent === "off");
    click(off as HTMLElement);
    expect(model.get("toggles")).toEqual({ "2.0": "off", "2.1": "off", "2.mlp": "off" });
    expect(off?.getAttribute("aria-pressed")).toBe("true");
    expect(find(".sw-toggle").textContent).toContain("Layer 2 off");
  });

  it("are removed one by one or all together", () => {
    const model = show({ toggles: { "0.0": "off", "1.mlp": "on" } });
    click(find('[aria-label="Set Head 0.0 back to auto"]'));
    expect(model.get("toggles")).toEqual({ "1.mlp": "on" });
    click(find(".sw-foot .sw-button"));
    expect(model.get("toggles")).toEqual({});
  });

  it("need a kernel", () => {
    const model = show({ live: false });
    click(cell("1.0"));
    press(cell("1.0"), "Enter");
    expect(model.get("toggles")).toEqual({});
    expect(cell("1.0").getAttribute("aria-disabled")).toBe("true");
    expect(find(".sw-foot").textContent).toContain("No kernel");
  });
});

describe("the grid", () => {
  it("has one tab stop, moved by the arrow keys", () => {
    show();
    const stops = () => [...find("[role=grid]").querySelectorAll<HTMLElement>("[tabindex='0']")];
    expect(stops()).toHaveLength(1);
    act(() => cell("1.0").focus());
    press(cell("1.0"), "ArrowUp");
    expect(document.activeElement).toBe(cell("2.0"));
    press(cell("2.0"), "End");
    expect(document.activeElement).toBe(cell("2.mlp"));
    press(cell("2.mlp"), "Home");
    expect(document.activeElement).toBe(find('[data-layer="2"]'));
    press(find('[data-layer="2"]'), "End", { ctrlKey: true });
    expect(document.activeElement).toBe(cell("0.mlp"));
    expect(stops()).toEqual([cell("0.mlp")]);
  });

  it("names its cells and shows the node in focus", () => {
    show({ n_edges: viewState.n_edges });
    expect(cell("1.0").getAttribute("aria-label")).toBe("Layer 1 head 0, auto, 6 of 6 edges in the trace");
    act(() => cell("1.mlp").focus());
    expect(byTestId("node-detail").textContent).toContain("MLP 1 auto · 3 of 3 edges in the trace");
    act(() => void cell("0.1").dispatchEvent(new MouseEvent("pointerover", { bubbles: true })));
    expect(byTestId("node-detail").dataset.nodeKey).toBe("0.1");
    press(cell("1.mlp"), "ArrowLeft");
    expect(byTestId("node-detail").dataset.nodeKey).toBe("1.1");
  });
});

describe("each picture as a table", () => {
  const table = (name: string): HTMLElement => {
    click(find(`[aria-label="${name} as table"]`));
    return find(`[role=region][aria-label="${name} as table"]`);
  };
  const texts = (root: HTMLElement, selector: string) => [...root.querySelectorAll(selector)].map((cell) => cell.textContent);

  it("is made when it is opened", () => {
    show();
    expect(el.querySelector(".sw-table")).toBeNull();
    const curve = table("Curve");
    expect(curve.querySelectorAll("tbody tr")).toHaveLength(8);
    expect(texts(curve, "tbody tr:last-child > *").slice(0, 4)).toEqual(["1", String(viewState.n_edges), "0.000", "0.000"]);
    click(find('[aria-label="Curve as table"]'));
    expect(el.querySelector(".sw-table")).toBeNull();
  });

  it("follows the size once that rests", () => {
    show({ n_edges: viewState.n_edges });
    const layers = table("Layers");
    const tokens = table("Tokens by layers");
    expect(texts(layers, "tbody tr:first-child > *")).toEqual(["2", "100%", "100%", "100%"]);
    expect(texts(tokens, "tbody tr:first-child > *")).toEqual(["0", "The", "100%", "100%", "–"]);
    press(byTestId("slider"), "Home");
    expect(texts(layers, "tbody tr:first-child > *")[1]).toBe("100%");
    act(() => void vi.advanceTimersByTime(500));
    expect(texts(layers, "tbody tr:first-child > *")[1]).not.toBe("100%");
  });
});

it("says where tokens share a cell of the strip", () => {
  show({ view_state: makeState({ layers: 3, heads: 2, tokens: ["The", " cat", " sat"], levels: 8, tokensPerCell: 2 }).view_state, n_edges: viewState.n_edges });
  expect(find(".sw-positions h3").textContent).toBe("Tokens × layers edges kept into each position, 2 tokens a cell");
  click(find('[aria-label="Tokens by layers as table"]'));
  const rows = [...find(".sw-positions tbody").children].map((row) => [...row.children].map((cell) => cell.textContent));
  expect(rows).toEqual([
    ["0", "The ·cat", "100%", "100%", "–"],
    ["2", "·sat", "100%", "100%", "100%"],
  ]);
});

describe("around it", () => {
  it("shows an error in place until it is over, and asks again", () => {
    const model = show({ status: { state: "error", message: "Out of memory.", progress: 0 } });
    expect(byTestId("error").textContent).toContain("Out of memory.");
    click(find("[data-testid=error] button"));
    expect(model.sentOf("evaluate")).toHaveLength(1);
    write(model, { status: { state: "ready", message: "", progress: 0 } });
    expect(el.querySelector("[data-testid=error]")).toBeNull();
  });

  it("waits for a viewState", () => {
    const model = show({ view_state: null });
    expect(el.textContent).toContain("Waiting for the trace.");
    write(model, { view_state: viewState });
    expect(byTestId("slider")).toBeTruthy();
  });

  it("shows token text as text", () => {
    show();
    expect(el.querySelector("script")).toBeNull();
    expect(find('[data-token="<script>alert(1)</script>"]').textContent).toContain("<script>");
  });

  it("follows the host's theme, also inside a shadow root", async () => {
    vi.useRealTimers();
    document.body.dataset.jpThemeLight = "false";
    el = el.attachShadow({ mode: "open" }).appendChild(document.createElement("div"));
    show();
    expect(byTestId("strace-explorer").dataset.theme).toBe("dark");
    await act(async () => {
      document.body.dataset.jpThemeLight = "true";
      await new Promise((resolve) => setTimeout(resolve));
    });
    expect(byTestId("strace-explorer").dataset.theme).toBe("light");
  });

  it("leaves nothing behind", () => {
    const model = show();
    expect(model.listeners).toBeGreaterThan(0);
    act(() => unmount?.());
    expect(model.listeners).toBe(0);
    expect(el.innerHTML).toBe("");
  });

  it("keeps two views of one model together", () => {
    const model = show();
    const second = document.body.appendChild(document.createElement("div"));
    let unmountSecond = () => {};
    act(() => {
      unmountSecond = explorer.render({ model, el: second });
    });
    click(cell("1.0"));
    expect(second.querySelector<HTMLElement>('[data-component="1.0"]')?.dataset.state).toBe("off");
    act(() => unmountSecond());
    click(cell("1.0"));
    expect(cell("1.0").dataset.state).toBe("on");
  });

  // Colours need a browser, and landmarks are the page's.
  it("passes axe", async () => {
    vi.useRealTimers();
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
    show({ toggles: { "1.0": "off" }, status: { state: "error", message: "Out of memory.", progress: 0 } });
    click(find('[data-layer="1"]'));
    const { violations } = await axe.run(el, { rules: { region: { enabled: false }, "color-contrast": { enabled: false } } });
    expect(violations).toEqual([]);
  });
});

describe("a page without a kernel", () => {
  it("draws each embedded state once, with a size that moves", () => {
    document.body.innerHTML = '<script type="application/json" class="strace-widgets-state"></script>';
    const asText = (_: string, value: unknown) =>
      value instanceof DataView ? btoa(String.fromCharCode(...new Uint8Array(value.buffer, value.byteOffset))) : value;
    document.querySelector("script")!.textContent = JSON.stringify({ view_state: viewState, n_edges: 4, live: false }, asText);
    act(() => {
      mountPage(document, replay);
      mountPage(document, replay);
    });
    expect(document.querySelectorAll("[data-testid=strace-explorer]")).toHaveLength(1);
    el = document.body;
    press(byTestId("slider"), "End");
    act(() => void vi.advanceTimersByTime(200));
    expect(byTestId("size").textContent).toBe("s = 1");
  });

  it("says in a notebook what Python says is missing: the model", () => {
    const message = "This trace was loaded from a file.";
    const status = { state: "ready" as const, message, progress: 0 };
    show({ live: false, status });
    const note = `${message} Until then sizes are interpolated between computed levels.`;
    expect(byTestId("without-kernel").textContent).toBe(note);
    act(() => unmount?.());
    const evaluations = [makeEvaluation(viewState, { n_edges: 4, toggles: { "1.0": "off" } })];
    show({ live: false, status, n_edges: 4, evaluations });
    expect(byTestId("known-toggles").textContent).toContain(note);
    click(cell("0.1"));
    expect(byTestId("known-toggles").textContent).toContain("needs a model");
  });

  it("answers the toggles that it knows, and says which it does not", () => {
    const evaluations = [makeEvaluation(viewState, { n_edges: 4, toggles: { "1.0": "off" } })];
    const model = pageModel({ ...state, live: false, n_edges: 4, evaluations });
    act(() => {
      unmount = explorer.render({ model, el });
    });
    expect(cell("1.0").getAttribute("aria-disabled")).toBeNull();
    click(cell("1.0"));
    expect(byTestId("state").dataset.state).toBe("exact");
    expect(byTestId("tv").textContent).toBe("0.610");
    expect(byTestId("known-toggles").textContent).toContain("No kernel");
    press(byTestId("slider"), "End");
    act(() => void vi.advanceTimersByTime(200));
    expect(byTestId("state").dataset.state).toBe("stale");
    click(find("[data-testid=known-toggles] button"));
    expect(model.get("n_edges")).toBe(4);
    expect(byTestId("state").dataset.state).toBe("exact");
    click(cell("0.1"));
    expect(byTestId("known-toggles").textContent).toContain("needs a kernel");
    click(byTestId("undo"));
    expect(model.get("toggles")).toEqual({ "1.0": "off" });
    expect(byTestId("state").dataset.state).toBe("exact");
  });
});
