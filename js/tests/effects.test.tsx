import { act } from "preact/test-utils";
import axe from "axe-core";
import { afterEach, describe, expect, it } from "vitest";
import { decodeEffects, markOf, nodeMarks, nodeShares } from "../src/logic/effects";
import { parseSession, sessionFile } from "../src/logic/sessionFile";
import { byStrength, inBox, nearest, scatterPoints, shareX, effectY } from "../src/logic/scatter";
import { amountIndex, signedIndex, unknownShade } from "../src/logic/scales";
import { isKnown, shadingOf } from "../src/logic/shading";
import { traceAt } from "../src/logic/trace";
import { decodeViewState } from "../src/protocol/decode";
import type { Shade, Status, ViewState } from "../src/protocol/types";
import { fakeModel } from "./fakeModel";
import { makeEffects, makeState, small } from "./fixture";
import { choose, clear, click, press, settle, show, write, type View } from "./render";

const state = makeState();
const viewState = decodeViewState(state.view_state) as ViewState;
const size = 0.3;
const trace = traceAt(viewState, Math.round(size * viewState.n_edges));
const effects = decodeEffects(makeEffects())!;
const some = decodeEffects(makeEffects(small, 4))!;
const strongest = 7; // head 1 of layer 2

afterEach(clear);

describe("shading", () => {
  it("by effect is deepest where a head does most, and an MLP may lie above", () => {
    const { shades, describe: words, legend } = shadingOf("effect", viewState, trace, effects);
    expect(shades[strongest]).toBe(amountIndex(1));
    expect(words(strongest)).toBe("TV 0.670 when off");
    expect(legend).toEqual({ from: "0", to: "0.670 or more", signed: false, unit: "TV when off" });
  });

  it("by logit tells what speaks for the answer from what speaks against it", () => {
    const { shades, describe: words } = shadingOf("logit", viewState, trace, effects);
    expect(shades[strongest]).toBe(effects.logitChange[strongest] < 0 ? signedIndex(-1) : signedIndex(1));
    expect(new Set([...shades].map((shade) => shade > 32)).size).toBe(2);
    expect(words(strongest)).toMatch(/^logit [+−]\d\.\d\d when off$/);
  });

  it("leaves what is not known without a shade, and says so", () => {
    const { shades, describe: words, figure } = shadingOf("effect", viewState, trace, some);
    expect([...shades].map((shade) => shade === unknownShade)).toEqual([false, false, false, false, true, true, true, true, true]);
    expect([words(6), figure(6)]).toEqual(["not switched off yet", "–"]);
    expect([...shadingOf("effect", viewState, trace, null).shades].every((shade) => shade === unknownShade)).toBe(true);
  });

  it("says what overflows", () => {
    const overflowing = { ...effects, totalVariation: effects.totalVariation.map((value, index) => (index === 2 ? NaN : value)) };
    expect(shadingOf("effect", viewState, trace, overflowing).describe(2)).toBe("overflows when off");
  });

  it("by entry is deepest where the first edge enters", () => {
    const { shades, describe: words } = shadingOf("entry", viewState, trace, null);
    expect(viewState.arrays.entry_n_edges![0]).toBe(1);
    expect(shades[0]).toBe(amountIndex(1));
    expect(words(0)).toMatch(/^enters at s = 0\.0\d+, 1 edge$/);
  });

  it("goes by shares in a file of before, and offers only what it has", () => {
    const { weight_into_last: _, entry_n_edges: __, ...arrays } = viewState.arrays;
    const before = { ...viewState, arrays };
    const offered = (live: boolean) => (["share", "effect", "logit", "weight", "entry"] as Shade[]).filter((shade) => isKnown(shade, before, null, live));
    expect([offered(false), offered(true)]).toEqual([["share"], ["share", "effect", "logit"]]);
    expect(shadingOf("weight", before, trace, null).shade).toBe("share");
  });
});

describe("marks", () => {
  it("go by what is kept on average, and by the effect", () => {
    expect([markOf(0.1, 0.4, 0.2), markOf(0.3, 0.4, 0.2), markOf(0.3, 0.005, 0.2), markOf(0.1, 0.005, 0.2)]).toEqual(["vital", null, "idle", null]);
    expect(markOf(1, 0.001, 1)).toBe(null); // all is kept
    expect(markOf(0, NaN, 0.2)).toBe(null);
  });

  it("are found by a pointer and by a box", () => {
    const frame = { width: 400, height: 150 };
    const shares = nodeShares(viewState, trace);
    const points = scatterPoints(byStrength(effects), shares, effects, nodeMarks(shares, effects, size), small.heads, frame);
    const [first] = points;
    expect([first.key, points.length]).toEqual(["2.1", 9]);
    expect([first.x, first.y]).toEqual([shareX(shares[strongest], frame), effectY(effects.totalVariation[strongest], frame)]);
    expect(nearest(points, first.x + 5, first.y - 5)?.key).toBe("2.1");
    expect(nearest(points, -300, -300)).toBe(undefined);
    expect(inBox(points, { left: first.x - 1, right: first.x + 1, top: first.y - 1, bottom: first.y + 1 })).toEqual(["2.1"]);
    expect(scatterPoints(byStrength(some), shares, some, [], small.heads, frame).length).toBe(4);
  });
});

describe("the choice of a shade", () => {
  const coming: Status = { state: "running", message: "switching off heads and MLPs: 4 of 9", progress: 4 / 9, kind: "effects" };
  const cell = (view: View, key: string) => view.find(`.sw-cell[data-component="${key}"]`);

  it("asks for effects, fills the grid as they come, and gives it a scatter", async () => {
    const view = show({ n_edges: trace.nEdges }, fakeModel({ ...state, n_edges: trace.nEdges }));
    view.model.replies.effects = () => ({ ok: true });
    expect(view.seek("scatter")).toBeNull();
    choose(view.get<HTMLSelectElement>("shade"), "effect");
    expect([view.model.get("shade"), view.model.sentOf("effects").length]).toEqual(["effect", 1]);
    await settle();
    expect(cell(view, "2.1").hasAttribute("data-unknown")).toBe(true);
    write(view.model, { status: coming, effects: makeEffects(small, 4) });
    expect(view.get("progress").getAttribute("value")).toBe(String(4 / 9));
    expect(cell(view, "0.1").hasAttribute("data-unknown")).toBe(false);
    expect(view.seek("effects-known")).toBeNull(); // the job line tells it
    write(view.model, { status: { ...coming, state: "ready", message: "Cancelled: what was switched off so far is kept." } });
    expect(view.get("effects-known").textContent).toContain("4 of 9");
    click(view.get("effects-go-on"));
    expect(view.model.sentOf("effects").length).toBe(2);
    write(view.model, { status: { state: "ready", message: "", progress: 0 }, effects: makeEffects() });
    expect(view.seek("effects-known")).toBeNull();
    expect(cell(view, "2.1").getAttribute("aria-label")).toContain("TV 0.670 when off");
    expect(cell(view, "2.1").title).toBe(cell(view, "2.1").getAttribute("aria-label"));
    expect(view.get("scatter-plot").getAttribute("aria-valuetext")).toContain("Head 2.1, TV 0.670 when off");
    choose(view.get<HTMLSelectElement>("shade"), "weight");
    expect(view.model.sentOf("effects").length).toBe(2);
    expect(view.get("grid-legend").textContent).toContain("weight into");
  });

  it("says on a page what was not computed", () => {
    const without = show({ live: false });
    const options = [...without.get<HTMLSelectElement>("shade").options];
    expect(options.map(({ disabled }) => disabled)).toEqual([false, true, true, false, false]);
    expect(options[1].text).toContain("not computed");
    const partly = show({ live: false, effects: makeEffects(small, 4), shade: "effect" });
    expect(partly.get("effects-known").textContent).toContain("4 of 9 heads and MLPs were switched off. The rest needs a kernel");
    expect(partly.seek("effects-go-on")).toBeNull();
  });

  it("is tabled", () => {
    const view = show({ live: false, effects: makeEffects(), shade: "effect" });
    click(view.find('[aria-label="Share against effect as table"]'));
    const rows = [...view.el.querySelectorAll(".sw-scatter tbody tr")].map((row) => [...row.children].map((each) => each.textContent));
    expect(rows[0].slice(0, 2)).toEqual(["Head 2.1", "0.670"]);
    expect(rows.length).toBe(9);
    click(view.find('[aria-label="Layers as table"]'));
    expect(view.find(".sw-layers caption").textContent).toContain("total variation");
  });
});

describe("the scatter", () => {
  const whole = { live: false, effects: makeEffects(), n_edges: Math.round(viewState.n_edges / 2) };
  const picked = (view: View) => [...view.el.querySelectorAll('.sw-cell[data-picked="true"]')].map((cell) => (cell as HTMLElement).dataset.component);

  it("goes through heads and MLPs by key, and to their cells", () => {
    const view = show(whole);
    const plot = view.get("scatter-plot");
    act(() => plot.focus());
    press(plot, "ArrowDown");
    const second = plot.getAttribute("aria-valuetext")!;
    expect(plot.getAttribute("aria-valuenow")).toBe("2");
    const key = /(?:Head|MLP) ([\d.]+)/.exec(second)![1];
    expect(view.get("node-detail").dataset.nodeKey).toMatch(key);
    press(plot, "Home");
    expect(view.find('.sw-cell[data-component="2.1"]').dataset.pointed).toBe("true");
    expect(view.get("node-effect").textContent).toContain("0.670");
    press(plot, "Enter");
    expect((document.activeElement as HTMLElement).dataset.component).toBe("2.1");
  });

  it("finds both groups in the grid, by a button that can be taken back", () => {
    const view = show(whole);
    const vital = view.get<HTMLButtonElement>("pick-vital");
    const marked = [...view.el.querySelectorAll('.sw-cell[data-mark="vital"]')].map((cell) => (cell as HTMLElement).dataset.component);
    expect(marked.length).toBeGreaterThan(0);
    click(vital);
    expect([vital.getAttribute("aria-pressed"), picked(view)]).toEqual(["true", marked]);
    press(view.get("scatter-plot"), "Escape");
    expect(picked(view)).toEqual([]);
    click(vital);
    click(vital);
    expect(view.el.querySelector("[data-picked]")).toBeNull();
  });

  it("passes axe", async () => {
    const view = show({ ...whole, shade: "logit" });
    const { violations } = await axe.run(view.el, { rules: { "color-contrast": { enabled: false }, region: { enabled: false } } });
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });
});

it("a session file has the shade and what is known, in text; of another shade it makes nothing", () => {
  const file = sessionFile(viewState, 10, {}, { history: state.history, shade: "logit", effects: makeEffects(), groups: [], note: "" });
  const text = JSON.stringify(file);
  expect(parseSession(text, viewState).shade).toBe("logit");
  expect(decodeEffects(JSON.parse(text).effects)).toEqual(effects);
  expect(parseSession(JSON.stringify({ ...file, shade: "mood" }), viewState).shade).toBe("share");
});
