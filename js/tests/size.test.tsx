// The curve as it is drawn and used: folded, on other axes, while levels arrive, and with the prediction forming under it.
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Curve, EncodedViewState } from "../src/protocol/types";
import { encode, makeState } from "./fixture";
import { choose, clear, click, press, show, write, type View } from "./render";

afterEach(() => {
  vi.useRealTimers();
  clear();
});

/** A trace of 10,000 edges with given errors at given levels; the fixture's tokens at all of them. */
function state(levels: number[], errors: number[]) {
  const whole = makeState();
  const base = whole.view_state as EncodedViewState;
  const tokens = base.vocabulary.length;
  const row = (level: number) => base.vocabulary.map((_, token) => (token === 0 ? 1 - errors[level] : token === 1 ? errors[level] / 2 : 0));
  const view_state = {
    ...base,
    n_edges: 10_000,
    landmarks: [],
    arrays: {
      ...base.arrays,
      level_n_edges: encode("int32", levels),
      total_variation: encode("float32", errors),
      kl: encode("float32", errors.map((error) => 8 * error)),
      entropy: encode("float32", errors),
      top1: encode("uint8", levels.map(() => 1)),
      nucleus: encode("float32", levels.map(() => 0)),
      probabilities: { ...encode("float32", levels.flatMap((_, level) => row(level))), shape: [levels.length, tokens] },
      full_probabilities: encode("float32", row(levels.length - 1)),
    },
  };
  return { ...whole, view_state, n_edges: 5000 };
}

const folded = () => state([1, 100, 2000, 5000, 10_000], [1, 0.99, 0.97, 0.4, 0]);
const knob = ({ find }: View): number[] => find(".sw-handle").getAttribute("transform")!.match(/[\d.]+/g)!.map(Number);
const pointAt = (view: View, type: string, clientX: number) =>
  act(() => void view.find(".sw-curve").dispatchEvent(new MouseEvent(type, { clientX, buttons: 1, bubbles: true, cancelable: true })));

describe("the folded axis", () => {
  it("opens by a button, by a key of the slider and by a click on the fold", () => {
    const view = show(folded());
    const whole = () => view.get("whole-axis").getAttribute("aria-pressed");
    const start = knob(view)[0];
    expect([whole(), view.seek("unfold") !== null]).toEqual(["false", true]);
    click(view.get("whole-axis"));
    expect([whole(), view.seek("unfold")]).toEqual(["true", null]);
    expect(knob(view)[0]).toBeGreaterThan(start + 100); // half of the edges are now far to the right
    press(view.get("slider"), "f");
    expect([whole(), knob(view)[0]]).toEqual(["false", start]);
    act(() => void view.get("unfold").dispatchEvent(new MouseEvent("pointerdown", { bubbles: true })));
    expect(whole()).toBe("true");
    expect(view.get("edges").dataset.edges).toBe("5000"); // it is no place to drag from
  });

  it("leaves keys and what is said as they are", () => {
    const view = show(folded());
    const slider = view.get("slider");
    press(slider, "Home");
    expect(slider.getAttribute("aria-valuetext")).toContain("s = 0.0001, 1 edge, total variation 1.000");
    expect(knob(view)[0]).toBe(0);
    press(slider, "ArrowRight");
    expect(view.get("edges").dataset.edges).toBe("2");
    press(slider, "PageUp");
    expect(view.get("edges").dataset.edges).toBe("100");
    press(slider, "End");
    expect(slider.getAttribute("aria-valuetext")).toContain("10,000 edges, total variation 0.000");
  });

  it("is not there where something happens from the first edge on", () => {
    const view = show(state([1, 100, 10_000], [0.9, 0.5, 0]));
    expect([view.seek("whole-axis"), view.seek("unfold")]).toEqual([null, null]);
  });

  it("stays where it is under the hand while levels arrive, and moves once that lets go", () => {
    vi.useFakeTimers();
    const view = show(folded());
    const before = knob(view)[0];
    const line = () => view.find(".sw-line").getAttribute("d")!;
    pointAt(view, "pointerdown", 42 + before);
    expect(view.get("edges").dataset.edges).toBe("5000");
    const drawn = line();
    const { view_state } = state([1, 100, 2000, 3500, 5000, 10_000], [1, 0.99, 0.97, 0.96, 0.4, 0]);
    write(view.model, { view_state });
    expect(line()).not.toBe(drawn); // the new level is drawn
    expect(knob(view)[0]).toBe(before); // on the same axis
    pointAt(view, "pointerup", 42 + before);
    expect(view.model.get("n_edges")).toBe(5000);
    expect(knob(view)[0]).toBeLessThan(before); // which now begins at 3500
  });
});

describe("the axes", () => {
  it("have another quantity and another spacing", () => {
    const view = show(folded());
    const axis = () => view.find(".sw-curve svg").textContent;
    const [x, y] = knob(view);
    expect(axis()).toContain("TV 1");
    choose(view.get<HTMLSelectElement>("quantity"), "kl");
    expect(axis()).toContain("KL 7.8"); // at the beginning of what is shown
    expect(knob(view)).toEqual([x, y]);
    choose(view.get<HTMLSelectElement>("spacing"), "linear");
    expect(knob(view)[0]).toBeLessThan(x); // of 2,000 to 10,000 it is three eighths
    expect(axis()).toContain("0.9");
  });
});

describe("the prediction forming", () => {
  it("says the probabilities at the present size, and goes to where a token is most probable", () => {
    const view = show(folded());
    const legend = () => view.get("forming-legend").textContent;
    expect(legend()).toContain("·Paris 0.60");
    expect(legend()).toContain("·Rome 0.20");
    expect(legend()).toContain("all others 0.20");
    click(view.find("[data-token=' Rome']"));
    expect(view.model.get("n_edges")).toBe(2000); // among the sizes that are shown
  });

  it("marks the band that is pointed at in the legend", () => {
    const view = show(folded());
    const bands = () => [...view.el.querySelectorAll(".sw-band")].map((band) => band.getAttribute("data-emphasised"));
    act(() => void view.find("[data-token=' Rome']").dispatchEvent(new MouseEvent("pointerenter")));
    expect(bands()).toEqual(["false", "true"]);
    act(() => void view.find("[data-token=' Rome']").dispatchEvent(new MouseEvent("pointerleave")));
    expect(bands()).toEqual(["false", "false"]);
  });

  it("is in the curve's table", () => {
    const view = show(folded());
    click(view.find("[aria-label='Curve as table']"));
    const cells = (row: string) => [...view.find(`.sw-table ${row}`).children].slice(7).map((cell) => cell.textContent);
    expect(cells("thead tr")).toEqual(["·Paris", "·Rome", "all others"]);
    expect(cells("tbody tr:nth-child(4)")).toEqual(["0.60", "0.20", "0.20"]);
  });

  it("has nothing to show before the first levels", () => {
    const view = show(state([10_000], [0]));
    expect(view.el.querySelectorAll(".sw-band")).toHaveLength(0);
    expect(view.seek("forming-legend")).toBeNull();
    expect(view.find(".sw-curve-head").textContent).toContain("on their way");
  });
});

describe("other curves", () => {
  const names = ["random", "l2", "cosine", "inverse", "projection", "norm"];
  /** From bad to good. */
  const curves = names.map((name, index): Curve => ({ name, kind: index % 3 === 0 ? "baseline" : "measure", n_edges: [1, 5000, 10_000], total_variation: [1, 0.9 - index / 10, 0] }));
  const labels = ({ el }: View) => [...el.querySelectorAll(".sw-other-label")].map((label) => label.textContent);
  const listed = ({ get }: View) => [...get("curve-legend").children].map((entry) => entry.querySelector(".sw-curve-name")!.textContent);

  it("are listed by the area under them, with four of them named on their lines", () => {
    const view = show({ ...folded(), curves });
    expect(listed(view)).toEqual(["l1", "norm", "projection", "inverse trace", "cosine", "l2", "random order"]);
    expect(new Set(labels(view))).toEqual(new Set(["norm", "projection", "inverse trace", "cosine"]));
    act(() => void view.get("switch-l2").dispatchEvent(new MouseEvent("pointerenter")));
    expect(new Set(labels(view))).toEqual(new Set(["l2", "norm", "projection", "inverse trace"]));
  });

  it("keep their places when two change theirs, so that the way back is where the way was", () => {
    const view = show({ ...folded(), curves });
    const place = listed(view).indexOf("l2");
    const { view_state } = state([1, 100, 2000, 5000, 10_000], [1, 0.99, 0.97, 0.1, 0]);
    write(view.model, { view_state: { ...view_state, importance: "l2" }, curves: curves.map((curve) => (curve.name === "l2" ? { ...curve, name: "l1", total_variation: [1, 0.1, 0] } : curve)) });
    expect(listed(view)[place]).toBe("l1");
  });

  it("are drawn by KL where they have it", () => {
    const [first, second, ...others] = curves;
    const view = show({ ...folded(), curves: [first, { ...second, kl: [null, 2, 0] }, ...others] });
    choose(view.get<HTMLSelectElement>("quantity"), "kl");
    expect(labels(view)).toEqual(["l2"]);
    expect(view.el.querySelectorAll(".sw-other-line")).toHaveLength(1);
    expect(listed(view)).toHaveLength(7);
  });
});
