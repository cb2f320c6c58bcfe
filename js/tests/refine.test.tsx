import axe from "axe-core";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Curve, EncodedViewState, Refined, Status } from "../src/protocol/types";
import { makeEvaluation, makeState } from "./fixture";
import { choose, clear, click, press, settle, show, write } from "./render";

const viewState = makeState().view_state as EncodedViewState;
const how: Refined = { start: "l1", refinements: [{ passes: 30, masks: "all", attention: "recomputed", ablation: "zero", gradients: true }] };
const refined: EncodedViewState = { ...viewState, importance: "refined", refined: how };
const best: Curve = { name: "refining", kind: "refining", n_edges: [4, 9, viewState.n_edges], total_variation: [0.5, 0.2, 0] };
const stage: Status = { state: "running", message: "refining: step 2 of 9, area 0.320", progress: 0.2 };
const ready: Status = { state: "ready", message: "", progress: 0 };
afterEach(() => {
  clear();
  vi.restoreAllMocks();
});

describe("refining", () => {
  it("is asked for with a budget, and goes on from what was refined", () => {
    const { model, get } = show();
    click(get("refine"));
    choose(get("passes"), "100");
    click(get("refine")); // one at a time
    expect(model.sentOf("refine").map(({ passes }) => passes)).toEqual([13]);
    expect(get("refine").textContent).toBe("Refine");
    write(model, { view_state: refined });
    expect(get("refine").textContent).toBe("Refine further");
  });

  it("tells its step, and can be cancelled; sizes and toggles go on, another trace does not", async () => {
    const { model, get, find, el } = show();
    click(get("refine"));
    expect(find(".sw-stage").textContent).toContain("refining");
    write(model, { status: stage, curves: [best] });
    expect(find(".sw-stage").textContent).toContain("step 2 of 9, area 0.320");
    expect(get("stage-spoken").textContent).toBe(stage.message);
    expect(find(".sw-body").getAttribute("aria-busy")).toBe("false");
    press(get("slider"), "End");
    click(find('[data-component="1.0"]'));
    expect(model.get("toggles")).toEqual({ "1.0": "off" });
    click(get("token-0"));
    choose(get("masks"), "mlp+residual");
    expect(get<HTMLButtonElement>("prompt-edit").disabled).toBe(true);
    expect(model.sentOf("trace")).toEqual([]);
    write(model, { status: ready }); // what was asked in between has its answer
    expect(find(".sw-stage").textContent).toContain("refining");
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
    const { violations } = await axe.run(el, { rules: { region: { enabled: false }, "color-contrast": { enabled: false } } });
    expect(violations).toEqual([]);
    click(get("cancel"));
    expect(model.sentOf("cancel")).toHaveLength(1);
    expect(document.activeElement).toBe(get("importance"));
    act(() => model.receive({ id: model.sentOf("refine")[0].id, kind: "refine", ok: true }));
    await settle();
    expect(el.querySelector(".sw-stage")).toBeNull();
  });

  it("draws the best so far at the sizes that were computed, which is nothing to switch to", () => {
    const { get, seek, find } = show({ curves: [best], n_edges: 9 });
    const legend = get("curve-legend");
    expect(get("other-curves").querySelectorAll(".sw-mark")).toHaveLength(3);
    expect(get("other-curves").textContent).toBe("best so far");
    expect(legend.lastElementChild?.textContent).toBe("best so farTV 0.200area 0.188");
    expect(legend.querySelector("button")).toBeNull();
    expect(seek("counterpart")?.textContent).toBe("vs l2");
    click(find('[aria-label="Curve as table"]'));
    expect(find(".sw-table tbody tr:first-child").lastElementChild?.textContent).toBe("–");
  });

  it("becomes a step, to which undo and redo lead as it was refined", async () => {
    const { model, get } = show({ n_edges: 9 });
    click(get("refine"));
    write(model, { view_state: refined, curves: [{ ...best, name: "l1", kind: "measure" }], evaluation: null });
    act(() => model.receive({ id: model.sentOf("refine")[0].id, kind: "refine", ok: true }));
    await settle();
    write(model, { evaluation: makeEvaluation(viewState, { n_edges: 9, toggles: {} }) });
    expect(model.get("history").steps.map(({ settings }) => settings.refined)).toEqual([undefined, how]);
    expect(get("announcement").textContent).toMatch(/^importance refined \(l1, 30 passes\): TV/);
    click(get("undo"));
    expect(model.sentOf("trace")[0]).toMatchObject({ n_edges: 9, settings: { importance: "l1" } });
    expect(model.sentOf("trace")[0].settings).not.toHaveProperty("refined");
    write(model, { view_state: viewState, curves: [{ ...best, name: "refined", kind: "measure", refined: how }] });
    act(() => model.receive({ id: model.sentOf("trace")[0].id, kind: "trace", ok: true }));
    await settle();
    expect(model.get("history").at).toBe(0);
    click(get("switch-refined"));
    expect(model.sentOf("trace")[1].settings).toMatchObject({ importance: "refined", refined: how });
  });

  it("says that nothing better was found, and why it failed", async () => {
    const { model, get, seek } = show();
    const found = "No better trace was found in 13 passes.";
    write(model, { status: { ...ready, message: found } });
    expect(get("outcome").textContent).toBe(found);
    model.replies.refine = () => ({ ok: false, error: "The model gives no gradients." });
    click(get("refine"));
    await settle();
    expect(get("error").textContent).toContain("Not refined. The model gives no gradients.");
    click(get("dismiss"));
    expect(seek("error")).toBeNull();
  });

  it("needs a kernel; without one it is told how a trace was refined", () => {
    const { seek, find } = show({ live: false, view_state: refined });
    expect(seek("refine")).toBeNull();
    expect(find(".sw-about").textContent).toContain("importance refined (l1, 30 passes)");
  });
});
