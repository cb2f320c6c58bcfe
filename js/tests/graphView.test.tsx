import { act } from "preact/test-utils";
import { afterEach, expect, it } from "vitest";
import type { EncodedArrays } from "../src/protocol/types";
import { makeState, small } from "./fixture";
import { fakeModel } from "./fakeModel";
import { clear, click, press, show, write } from "./render";

afterEach(clear);

it("says how many edges of the trace it draws", () => {
  const view = show({ n_edges: 5 });
  expect(view.get("graph-drawn").textContent).toContain("all 5 edges of the trace");
});

it("is not there where an old file has no edges to draw", () => {
  const state = makeState();
  const { graph_part: _, graph_link: __, graph_weight: ___, ...arrays } = state.view_state!.arrays;
  const view = show({}, fakeModel({ ...state, view_state: { ...state.view_state!, arrays: arrays as EncodedArrays } }));
  expect(view.seek("graph-canvas")).toBeNull();
});

it("lets the arrows lead from node to node, and lists the edges into each", () => {
  const view = show();
  const node = () => view.get<HTMLButtonElement>("graph-node");
  act(() => node().focus());
  expect(node().dataset.node).toBe("2@2");
  press(node(), "ArrowDown");
  press(node(), "ArrowLeft");
  expect(node().dataset.node).toBe("1@1");
  expect(document.activeElement).toBe(node());
  expect(view.get("graph-detail").querySelectorAll("li").length).toBe(small.heads * 2 + 2);
  press(node(), "ArrowUp"); // only the last token leads on in the last layer
  expect(node().dataset.node).toBe("1@1");
  press(node(), "End", { ctrlKey: true });
  expect(node().dataset.node).toBe("2@2");
  press(node(), "Home", { ctrlKey: true });
  expect(node().dataset.node).toBe("-1@0");
  expect(node().getAttribute("aria-label")).toContain("The embedding of");
});

it("opens the head of an edge", () => {
  const view = show();
  const edge = [...view.el.querySelectorAll<HTMLElement>("[data-testid=graph-edge]")].find((button) => button.textContent!.startsWith("head 1"))!;
  click(edge);
  expect(view.get("node-detail").dataset.nodeKey).toBe("2.1");
});

it("has its edges as a table, in the order of the trace", () => {
  const view = show({ n_edges: 6 });
  click(view.find("[aria-label='Graph as table']"));
  const rows = [...view.find("[role=region][aria-label='Graph as table']").querySelectorAll("tbody tr")];
  expect(rows.map((row) => row.querySelector("th")!.textContent)).toEqual(["0", "1", "2", "3", "4", "5"]);
});

it("stays with the model while another trace comes that is smaller", () => {
  const view = show();
  act(() => view.get("graph-node").focus());
  write(view.model, { view_state: makeState({ ...small, tokens: ["The"] }).view_state, n_edges: 3 });
  expect(view.get("graph-node").dataset.node).toBe("2@0");
});

it("switches a position by a click on its node, and an edge by its own button", () => {
  const view = show();
  const node = () => view.get<HTMLButtonElement>("graph-node");
  click(node());
  expect(view.model.get("toggles")).toEqual({ "2@2": "off" });
  expect(node().getAttribute("aria-label")).toContain(", off, 0 edges into it kept");
  expect(view.find(".sw-graph-mark").dataset.state).toBe("off");
  click(node());
  click(view.find("[data-testid=graph-toggle][aria-label^='head 1 from itself']"));
  expect(view.model.get("toggles")).toEqual({ "2@2": "on", "2.1@2>2": "off" });
  expect(node().getAttribute("aria-label")).toContain(`, on, ${small.heads * 3 + 1} edges into it kept`);
  expect([...view.el.querySelectorAll(".sw-toggle")].map((chip) => chip.textContent!.replace("×", ""))).toEqual(["+ Layer 2, token 2 on", "− Head 2.1, token 2 → 2 off"]);
  click(node());
  expect(view.model.get("toggles")).toEqual({ "2.1@2>2": "off" });
});

it("switches nothing without a kernel", () => {
  const view = show({ live: false });
  click(view.get("graph-node"));
  expect(view.model.get("toggles")).toEqual({});
  expect(view.get("graph-node").getAttribute("aria-disabled")).toBe("true");
});
