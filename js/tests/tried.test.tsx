import axe from "axe-core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { defaults, type EncodedViewState } from "../src/protocol/types";
import { makeEvaluation, makeState } from "./fixture";
import { choose, clear, click, evaluate, press, settle, show, traced, write } from "./render";

const viewState = makeState().view_state as EncodedViewState;
afterEach(() => {
  clear();
  vi.restoreAllMocks();
});

describe("history", () => {
  it("undoes and redoes what either side changed, by button and by key", () => {
    const { model, get, find } = show({ n_edges: 5 });
    expect(get("undo").ariaDisabled).toBe("true");
    click(find('[data-component="1.0"]'));
    write(model, { n_edges: 9 });
    click(get("undo"));
    expect([model.get("n_edges"), model.get("toggles")]).toEqual([5, { "1.0": "off" }]);
    press(get("slider"), "z", { ctrlKey: true });
    expect(model.get("toggles")).toEqual({});
    press(get("slider"), "Z", { metaKey: true, shiftKey: true });
    click(get("redo"));
    expect([model.get("n_edges"), model.get("toggles")]).toEqual([9, { "1.0": "off" }]);
    expect(get("redo").ariaDisabled).toBe("true");
    click(get("reset"));
    expect([model.get("n_edges"), model.get("toggles")]).toEqual([5, {}]);
    expect(model.get("history").steps).toHaveLength(4);
  });

  it("leaves the keys of a text field alone", () => {
    const { model, get, find } = show();
    click(find('[data-component="1.0"]'));
    click(get("prompt-edit"));
    press(get("prompt-input"), "z", { ctrlKey: true });
    expect(model.get("toggles")).toEqual({ "1.0": "off" });
  });

  it("goes back to another trace by asking for it", async () => {
    const { model, get } = show({ n_edges: 5 });
    choose(get<HTMLSelectElement>("importance"), "l2");
    await traced(model, { ...viewState, importance: "l2" }, { n_edges: 7 });
    click(get("undo"));
    expect(model.sentOf("trace")[1]).toMatchObject({ settings: { importance: "l1" }, n_edges: 5, toggles: {} });
    await traced(model, viewState, { n_edges: 5 });
    expect(model.get("history")).toMatchObject({ at: 0, steps: [{ n_edges: 5 }, { n_edges: 7 }] });
  });

  it("is the same with two views", async () => {
    const { model, get, find } = show({ n_edges: 5 });
    const second = show({}, model);
    click(find('[data-component="1.0"]'));
    evaluate(model);
    click(second.get("undo"));
    evaluate(model);
    await settle();
    const history = model.get("history");
    expect([history.steps.length, history.at, history.tried.length]).toEqual([2, 0, 2]);
    expect(get("redo").ariaDisabled).toBeNull();
  });

  it("writes nothing before something happens", () => {
    const { model } = show();
    expect(model.get("history")).toBe(defaults.history);
  });
});

describe("tried subgraphs", () => {
  const showTwo = () => {
    const view = show({ n_edges: 5 });
    evaluate(view.model);
    expect(view.seek("tried")).toBeNull();
    click(view.find('[data-component="1.0"]'));
    evaluate(view.model);
    return { ...view, chips: () => [...view.el.querySelectorAll<HTMLElement>("[data-testid=tried-chip]")] };
  };

  it("are chips that lead back", () => {
    const { model, chips } = showTwo();
    expect(chips().map(({ textContent }) => textContent)).toEqual(["− head 1.0 · TV 0.610 · Rome", expect.stringMatching(/^s 0\.\d+ · TV 0\.610 · Rome$/)]);
    expect(chips()[0].getAttribute("aria-current")).toBe("true");
    click(chips()[1]);
    expect(model.get("toggles")).toEqual({});
  });

  it("without a token that leads are called flat, and so is their list", () => {
    const { model, chips, find } = showTwo();
    const evaluation = makeEvaluation(viewState, { n_edges: 5, toggles: { "1.1": "off" } });
    const top = evaluation.top.map((row) => ({ ...row, probability: row.probability / 1000 }));
    write(model, { toggles: { "1.1": "off" }, evaluation: { ...evaluation, top } });
    expect(chips()[0].textContent).toBe("− head 1.1 · TV 0.610 · flat");
    expect(find(".sw-others").textContent).toBe("No token leads: none is above 0.001");
    expect(find(".sw-next").querySelector(".sw-chip-leads")).toBeNull();
  });

  it("are renamed and removed", () => {
    const { chips, get, seek, find } = showTwo();
    press(chips()[0], "F2");
    get<HTMLInputElement>("tried-name").value = "without 1.0";
    press(get("tried-name"), "Enter");
    expect(chips()[0].textContent).toContain("without 1.0");
    click(find('[aria-label="Remove without 1.0"]'));
    expect(seek("tried")).toBeNull();
  });

  it("are compared two by two", () => {
    const { chips, get, seek, el } = showTwo();
    click(get("compare"));
    click(chips()[0]);
    expect(chips().map((chip) => chip.getAttribute("aria-pressed"))).toEqual(["true", "false"]);
    expect(seek("compare-panel")).toBeNull();
    click(chips()[1]);
    expect(get("compare-panel").textContent).toContain("full model");
    expect(get("compare-toggle").textContent).toBe("Head 1.0offauto");
    expect(el.querySelectorAll("[data-testid=compare-row]")).toHaveLength(10);
    click(get("compare"));
    expect(seek("compare-panel")).toBeNull();
    click(chips()[1], { shiftKey: true });
    expect(chips()[1].getAttribute("aria-pressed")).toBe("true");
  });

  it("pass axe", async () => {
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
    const { el, chips, get } = showTwo();
    click(chips()[1], { shiftKey: true });
    click(chips()[0]);
    press(chips()[0], "F2");
    click(get("prompt-edit"));
    const { violations } = await axe.run(el, { rules: { region: { enabled: false }, "color-contrast": { enabled: false } } });
    expect(violations).toEqual([]);
  });
});
