// Why the curve jumps: which changes are asked of, and what is shown of the answer.
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it } from "vitest";
import { nearestStep, partName, placedNames, stepsOf } from "../src/logic/jumps";
import { decodeViewState } from "../src/protocol/decode";
import type { EnteringEdge, Jump, ViewState } from "../src/protocol/types";
import { fakeModel } from "./fakeModel";
import { makeState } from "./fixture";
import { clear, click, press, settle, show, write } from "./render";

afterEach(clear);

const viewState = decodeViewState(makeState().view_state) as ViewState;
const at = (errors: number[]): ViewState => ({
  ...viewState,
  arrays: { ...viewState.arrays, level_n_edges: Int32Array.from(errors, (_, level) => 10 * (level + 1)), total_variation: Float32Array.from(errors) },
});
const edge: EnteringEdge = { kind: "attention", layer: 2, head: 1, source: 0, target: 2, rank: 17, before: 0.9, after: 0.6 };

describe("jumps", () => {
  it("are the largest changes, up or down, in the order of the sizes", () => {
    const steps = stepsOf(at([1, 0.98, 0.5, 0.62, 0.61, 0.3, 0.1, 0.25, 0]), 1);
    expect(steps.map(({ n_edges }) => n_edges[0])).toEqual([20, 50, 60, 80]);
    expect(steps[0].total_variation.map((error) => error.toFixed(2))).toEqual(["0.98", "0.50"]);
    expect(stepsOf(at([1, 0.15, 0.1, 0.05]), 20)).toEqual([]); // before that it is folded
    expect(stepsOf({ ...at([1, 0]), levels_follow: true }, 1)).toEqual([]);
  });

  it("are found from a size in or near them", () => {
    const steps = stepsOf(at([1, 0.5, 0.5, 0.5, 0]), 1);
    expect([1, 15, 25, 38, 45].map((size) => nearestStep(steps, size)?.n_edges[0])).toEqual([10, 10, 10, 40, 40]);
    expect(nearestStep([], 5)).toBeUndefined();
  });

  it("name parts and places", () => {
    expect(partName(edge)).toBe("layer 2 head 1");
    expect((["mlp", "mlp_residual", "attention_residual"] as const).map((kind) => partName({ ...edge, kind, head: null }))).toEqual([
      "layer 2 MLP",
      "layer 2 past the MLP",
      "layer 2 past the attention",
    ]);
    expect(placedNames(["of", "is", "of", ...Array(9).fill("x"), "of"])).toEqual(["of₀", "is", "of₂", ...[3, 4, 5, 6, 7, 8, 9].map((digit) => `x${"₀₁₂₃₄₅₆₇₈₉"[digit]}`), "x₁₀", "x₁₁", "of₁₂"]);
  });
});

describe("the question why", () => {
  const steps = stepsOf(viewState, 1);
  const jump: Jump = { n_edges: [...steps[0].n_edges], total_variation: [...steps[0].total_variation], edges: [{ ...edge, rank: 17 }] };

  it("is asked by a click on the mark, and answered with edges that lead to where they enter", async () => {
    const { model, get, seek } = show();
    act(() => void get("jump").dispatchEvent(new MouseEvent("pointerdown", { bubbles: true })));
    expect(model.sentOf("why").map(({ n_edges }) => n_edges)).toEqual([jump.n_edges]);
    expect(get("why").textContent).toContain("Looking into it");
    expect(model.saved).toEqual([]); // it is no place to drag from
    write(model, { jumps: [jump] });
    act(() => model.receive({ id: model.sentOf("why")[0].id, kind: "why", ok: true }));
    await settle();
    expect(get("why").textContent).toContain("layer 2 head 1: The → ·sat TV 0.900 → 0.600");
    click(get("why").querySelector("button")!);
    expect(model.get("n_edges")).toBe(18);
    click(get("jumps").querySelector("button")!);
    expect(seek("why")).toBeNull();
    click(get("jumps").querySelector("button")!);
    expect(model.sentOf("why")).toHaveLength(1); // it is known
  });

  it("is asked by a key of the slider, of the nearest", () => {
    const { model, get } = show({ n_edges: steps.at(-1)!.n_edges[1] });
    press(get("slider"), "w");
    expect(model.sentOf("why").map(({ n_edges }) => n_edges)).toEqual([steps.at(-1)!.n_edges]);
  });

  it("says where no edge makes much of it, and what went wrong", async () => {
    const model = fakeModel(makeState());
    model.replies.why = () => ({ ok: false, error: "the accelerator caught fire" });
    const { get } = show({}, model);
    click(get("jumps").querySelector("button")!);
    await settle();
    expect(get("error").textContent).toContain("Not looked into. the accelerator caught fire");
    expect(get("why").textContent).toBe("Not known.");
    write(model, { jumps: [{ ...jump, edges: [] }] });
    expect(get("why").textContent).toContain("It is gradual");
  });

  it("shows without a kernel what was asked, and asks nothing", () => {
    const without = show({ live: false });
    expect([without.seek("jumps"), without.seek("jump")]).toEqual([null, null]);
    const known = show({ live: false, jumps: [jump] });
    expect(known.get("jumps").querySelectorAll("button")).toHaveLength(1);
    click(known.get("jumps").querySelector("button")!);
    expect(known.get("why").textContent).toContain("layer 2 head 1");
    expect(known.model.sent).toEqual([]);
  });
});
