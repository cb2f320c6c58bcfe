import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EncodedViewState } from "../src/protocol/types";
import { makeState } from "./fixture";
import { clear, show, write, type View } from "./render";

const viewState = makeState().view_state as EncodedViewState;
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  clear();
  vi.useRealTimers();
});

const point = ({ find }: View, key: string) =>
  act(() => void find(`[data-component="${key}"]`).dispatchEvent(new MouseEvent("pointerover", { bubbles: true })));
const rest = (time = 200) => act(async () => void (await vi.advanceTimersByTimeAsync(time)));
const shares = [0.5, 0.3, 0.2];
const edges = [
  { source: 0, target: 2, weight: 3, rank: 4 },
  { source: 1, target: 2, weight: 2, rank: 2 },
];

describe("a node's details", () => {
  it("are asked for once the pointer rests, and kept", async () => {
    const view = show({ n_edges: 3 });
    const { model, get } = view;
    await rest();
    expect(model.sentOf("node")).toHaveLength(1); // of the node that is open at first
    model.replies.node = () => ({ ok: true, shares, edges });
    for (const key of ["1.0", "1.1", "0.mlp"]) point(view, key);
    await rest();
    expect(model.sentOf("node").slice(1).map(({ node }) => node)).toEqual(["0.mlp"]);
    expect(get("node-detail").dataset.detailed).toBe("true");
    expect(get("node-sources").textContent).toBe("its weight comes from The 50%·cat 30%·sat 20%");
    const kept = [...get("node-detail").querySelectorAll(".sw-edge")].map((edge) => edge.classList.contains("sw-edge-kept"));
    expect(kept).toEqual([false, true]);
    point(view, "0.0");
    point(view, "0.mlp");
    expect(get("node-detail").dataset.detailed).toBe("true");
    await rest();
    expect(model.sentOf("node")).toHaveLength(2);
  });

  it("of a node that was left before its answer are asked for again, and no error is told", async () => {
    const view = show();
    const { model, find } = view;
    point(view, "1.0");
    await rest(); // asked, and not answered
    point(view, "1.1");
    await rest(0);
    point(view, "1.0");
    await rest(0);
    expect(find('[data-testid="node-detail"]').textContent).not.toContain("missing");
    const before = model.sentOf("node").length;
    await rest();
    expect(model.sentOf("node").slice(before).map(({ node }) => node)).toEqual(["1.0"]);
  });

  it("of another node or a former trace are dropped", async () => {
    const view = show();
    const { model, get } = view;
    point(view, "1.0");
    await rest();
    const { id } = model.sentOf("node").at(-1)!;
    point(view, "1.1");
    act(() => model.receive({ id, kind: "node", ok: true, shares, edges }));
    await rest(0);
    expect(get("node-detail").dataset).toMatchObject({ nodeKey: "1.1", detailed: "false" });
    await rest();
    const late = model.sentOf("node").at(-1)!;
    write(model, { view_state: { ...viewState, importance: "l2" } });
    act(() => model.receive({ id: late.id, kind: "node", ok: true, shares, edges }));
    await rest(0);
    expect(get("node-detail").dataset.detailed).toBe("false");
    await rest();
    expect(model.sentOf("node").at(-1)!.node).toBe("1.1");
    expect(model.sentOf("node").at(-1)!.id).not.toBe(late.id);
  });

  it("that fail say why in place, beside the edges that are there", async () => {
    const view = show();
    view.model.replies.node = () => ({ ok: false, error: "There is no layer 9." });
    point(view, "1.0");
    await rest();
    expect(view.get("node-error").textContent).toBe("Its details are missing: There is no layer 9.");
    expect(view.seek("error")).toBeNull();
    expect(view.get("node-detail").querySelectorAll(".sw-edge")).toHaveLength(6);
    view.model.replies.node = () => ({ ok: true, shares, edges });
    point(view, "1.1");
    point(view, "1.0");
    await rest();
    expect(view.seek("node-error")).toBeNull();
  });

  it("that a busy kernel leaves unanswered are asked for again at its next word", async () => {
    const view = show();
    const { model, get, seek } = view;
    point(view, "1.0");
    await rest(10_200);
    expect(get("node-error").textContent).toContain("no answer yet");
    const asked = model.sentOf("node").length;
    await rest(60_000);
    expect(model.sentOf("node")).toHaveLength(asked);
    model.replies.node = () => ({ ok: true, shares, edges });
    write(model, { status: { state: "ready", message: "", progress: 0 } });
    await rest(0);
    expect(model.sentOf("node")).toHaveLength(asked + 1);
    expect(get("node-detail").dataset).toMatchObject({ nodeKey: "1.0", detailed: "true" });
    expect(seek("node-error")).toBeNull();
  });

  it("are not asked for again once the pointer has moved on, nor by a view that has gone", async () => {
    const view = show();
    const { model } = view;
    point(view, "1.0");
    await rest(10_200);
    point(view, "1.1");
    model.replies.node = () => ({ ok: true, shares, edges });
    await rest();
    write(model, { status: { state: "ready", message: "", progress: 0 } });
    await rest();
    expect(model.sentOf("node").filter(({ node }) => node === "1.0")).toHaveLength(1);
    model.replies = {};
    point(view, "0.0");
    await rest(10_200);
    view.unmount();
    expect(model.listeners).toBe(0);
  });

  it("need a kernel: without one the view says how many edges are shown", async () => {
    const view = show({ live: false, view_state: makeState({ layers: 2, heads: 2, tokens: ["a", "b", "c", "d"], levels: 6 }).view_state });
    point(view, "0.0");
    await rest();
    expect(view.model.sent).toEqual([]);
    expect(view.seek("node-sources")).toBeNull();
    expect(view.get("node-detail").textContent).toContain("8 strongest of 10");
  });
});
