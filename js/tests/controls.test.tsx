import axe from "axe-core";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Curve, EncodedViewState } from "../src/protocol/types";
import { makeEvaluation, makeState } from "./fixture";
import { choose, clear, click, enter, press, settle, show, traced, write, type View } from "./render";

const viewState = makeState().view_state as EncodedViewState;
const settings = { prompt: "The cat sat", importance: "l1", masks: "all", position: 2 };
afterEach(() => {
  clear();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("the kernel", () => {
  it("goes on by itself after a silence, with the state that was made meanwhile", async () => {
    vi.useFakeTimers();
    const { model, seek, get, find } = show();
    model.replies = {};
    click(find('[data-component="1.0"]')); // the cell that keeps the kernel busy has just begun
    await act(async () => void (await vi.advanceTimersByTimeAsync(6100)));
    expect(seek("read-only")).toBeTruthy();
    press(get("slider"), "ArrowRight");
    await act(async () => void (await vi.advanceTimersByTimeAsync(200)));
    expect(model.saved.at(-1)).toEqual({ n_edges: 2, toggles: { "1.0": "off" } });
    expect(get("state").dataset.state).toBe("stale");
    // The kernel takes up what waited: first the greetings, then the newest state.
    const { id } = model.sentOf("hello").at(-1)!;
    act(() => model.receive({ id, kind: "hello", ok: true }));
    expect(seek("read-only")).toBeNull();
    write(model, { evaluation: makeEvaluation(viewState, { n_edges: 2, toggles: { "1.0": "off" } }) });
    expect(get("state").dataset.state).toBe("exact");
    await act(async () => void (await vi.advanceTimersByTimeAsync(10_000)));
    expect(seek("read-only")).toBeNull();
  });

  it("is greeted, and its silence makes the view read-only until it speaks", async () => {
    vi.useFakeTimers();
    const { model, seek, get, find } = show();
    expect(model.sentOf("hello")).toHaveLength(1);
    model.replies = {};
    const second = show({}, model);
    await act(async () => void (await vi.advanceTimersByTimeAsync(4100)));
    expect(seek("read-only")).toBeNull();
    expect(second.get("read-only").textContent).toBe(
      "No answer yet: the kernel is busy with a cell, or gone. What is shown is the last state; it goes on when the kernel answers. If it is gone, run the cell again.",
    );
    expect(second.find('[data-component="1.0"]').getAttribute("aria-disabled")).toBe("true");
    expect(second.seek("importance")).toBeNull();
    write(model, { status: { state: "ready", message: "", progress: 0 } });
    expect(second.seek("read-only")).toBeNull();
    expect(second.seek("importance")).toBeTruthy();
    expect(get("importance")).toBeTruthy();
    expect(find("[role=toolbar]")).toBeTruthy();
  });

  it("is not asked for where there is none", () => {
    const { model, seek } = show({ live: false });
    expect(model.sent).toEqual([]);
    expect(seek("read-only")).toBeNull();
    for (const id of ["importance", "masks", "prompt-edit", "token-0"]) expect(seek(id)).toBeNull();
  });
});

describe("settings", () => {
  it("trace anew, keep the old view in sight, and take it back alive", async () => {
    const { model, get, seek, find } = show();
    choose(get<HTMLSelectElement>("importance"), "l2");
    expect(model.sentOf("trace")[0].settings).toEqual({ ...settings, importance: "l2" });
    expect(find(".sw-body").hasAttribute("inert")).toBe(true);
    expect(get("state").dataset.state).toBe("stale");
    write(model, { status: { state: "running", message: "Scoring edges", progress: 0.4 } });
    expect(get("progress").closest("label")?.textContent).toContain("Scoring edges");
    expect(get<HTMLProgressElement>("progress").value).toBe(0.4);
    write(model, { status: { state: "ready", message: "", progress: 1 } });
    await traced(model, { ...viewState, importance: "l2" });
    expect(seek("progress")).toBeNull();
    expect(find(".sw-body").hasAttribute("inert")).toBe(false);
    expect(get<HTMLSelectElement>("importance").value).toBe("l2");
  });

  it("keep size and toggles with another measure or mode, whose graph is the same, and with nothing else", async () => {
    const { model, get, find } = show({ n_edges: 7, view_state: { ...viewState, all_tokens: [...viewState.tokens, " on"] } });
    model.replies.trace = () => ({ ok: true });
    click(find('[data-component="1.0"]'));
    choose(get<HTMLSelectElement>("importance"), "l2");
    await settle();
    choose(get<HTMLSelectElement>("masks"), "mlp+residual");
    await settle();
    click(get("token-3"));
    const asked = model.sentOf("trace").map(({ n_edges, toggles }) => [n_edges, toggles]);
    expect(asked).toEqual([[7, { "1.0": "off" }], [7, { "1.0": "off" }], [undefined, undefined]]);
  });

  it("are lists whose options begin with what tells them apart, beside a word", () => {
    const texts = (id: string) => [...view.get<HTMLSelectElement>(id).options].map(({ text }) => text);
    const view = show();
    expect(texts("importance")).toEqual(view.model.get("choices").importance.map(({ name, label }) => `${name}: ${label}`));
    const groups = [...view.get<HTMLSelectElement>("importance").querySelectorAll("optgroup")].map((group) => [group.label, group.children.length]);
    expect(groups).toEqual([["by size", 2], ["others", 1]]);
    expect(texts("masks")).toEqual(["all edges", "MLP and residual edges"]);
    const beside = (id: string) => view.get(id).parentElement?.firstChild?.textContent;
    expect([beside("importance"), beside("masks")]).toEqual(["importance", "masks"]);
    view.unmount();
    const replay = show({ live: false });
    expect(replay.find(".sw-about").textContent).toContain("importance l1all edges masked");
  });

  it("explain a token by its button", () => {
    const { model, get } = show({ view_state: { ...viewState, all_tokens: [...viewState.tokens, " on"] } });
    expect(get("token-2").getAttribute("aria-pressed")).toBe("true");
    click(get("token-2"));
    expect(model.sentOf("trace")).toEqual([]);
    act(() => get("token-2").focus());
    press(get("token-2"), "ArrowRight");
    expect(document.activeElement).toBe(get("token-3"));
    click(get("token-3"));
    expect(model.sentOf("trace")[0].settings).toEqual({ ...settings, prompt: viewState.prompt, position: 3 });
  });

  it("keep a text that could not be traced, with the reason", async () => {
    const { model, get, seek } = show();
    model.replies.trace = () => ({ ok: false, error: "The prompt is too long." });
    click(get("prompt-edit"));
    enter(get<HTMLTextAreaElement>("prompt-input"), "A dog");
    press(get("prompt-input"), "Enter");
    await settle();
    expect(model.sentOf("trace")[0].settings).toEqual({ ...settings, prompt: "A dog", position: -1 });
    expect(get("error").textContent).toContain("The prompt is too long.");
    expect(get<HTMLTextAreaElement>("prompt-input").value).toBe("A dog");
    click(get("dismiss"));
    expect(seek("error")).toBeNull();
    press(get("prompt-input"), "Escape");
    expect(seek("prompt-input")).toBeNull();
    expect(get("token-0").textContent).toBe("The");
  });

  it("are given up on request: no error, and all as it was", async () => {
    const { model, get, seek, find } = show();
    model.replies.cancel = () => ({ ok: true });
    expect(seek("cancel")).toBeNull();
    choose(get<HTMLSelectElement>("importance"), "l2");
    write(model, { status: { state: "running", message: "weighing", progress: 0.1 } });
    click(get("cancel"));
    expect(model.sentOf("cancel")).toHaveLength(1);
    expect(get<HTMLButtonElement>("cancel").disabled).toBe(true); // until Python's next word
    expect(document.activeElement).toBe(get("importance"));
    const { id } = model.sentOf("trace")[0];
    write(model, { status: { state: "ready", message: "Cancelled: everything is as it was.", progress: 0 } });
    act(() => model.receive({ id, kind: "trace", ok: false, cancelled: true, error: "Cancelled: everything is as it was." }));
    await settle();
    expect(get("outcome").textContent).toBe("Cancelled: everything is as it was.");
    for (const id of ["error", "cancel", "progress"]) expect(seek(id)).toBeNull();
    expect(find(".sw-body").hasAttribute("inert")).toBe(false);
    expect(get<HTMLSelectElement>("importance").value).toBe("l1");
  });

  it("leave nothing behind when the view goes in between", () => {
    const view = show();
    choose(view.get<HTMLSelectElement>("masks"), "mlp+residual");
    view.unmount();
    expect(view.model.listeners).toBe(0);
  });
});

describe("the session", () => {
  const load = async ({ get }: View, content: unknown) => {
    const input = get<HTMLInputElement>("load-input");
    Object.defineProperty(input, "files", { value: [{ text: async () => JSON.stringify(content) }], configurable: true });
    Object.defineProperty(input, "value", { value: "", writable: true });
    act(() => void input.dispatchEvent(new Event("change", { bubbles: true })));
    await settle();
  };
  const saved = async ({ get }: View) => {
    let blob: Blob | undefined;
    vi.stubGlobal("URL", { createObjectURL: (made: Blob) => ((blob = made), "blob:x"), revokeObjectURL: () => {} });
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => {});
    click(get("save"));
    const reader = new FileReader();
    const text = new Promise((resolve) => reader.addEventListener("load", () => resolve(reader.result)));
    reader.readAsText(blob as Blob);
    return JSON.parse((await text) as string);
  };

  it("is saved, and loaded again", async () => {
    const view = show({ n_edges: 5 });
    click(view.find('[data-component="1.0"]'));
    const file = await saved(view);
    expect(file).toMatchObject({ format: "strace-session", version: 2, n_edges: 5, toggles: { "1.0": "off" }, history: { at: 1 } });
    click(view.get("reset"));
    await load(view, file);
    expect(view.model.get("toggles")).toEqual({ "1.0": "off" });
    expect(view.model.get("history")).toEqual(file.history);
  });

  it("is traced where it belongs to another trace, and refused where it cannot be read", async () => {
    const view = show({ n_edges: 5 });
    const file = await saved(view);
    await load(view, { ...file, version: 3 });
    expect(view.get("error").textContent).toContain("version 3");
    view.model.replies.trace = () => ({ ok: true });
    await load(view, { ...file, settings: { ...file.settings, importance: "l2" }, n_edges: 7 });
    expect(view.model.sentOf("trace")[0]).toMatchObject({ settings: { importance: "l2" }, n_edges: 7, toggles: {} });
    expect(view.seek("error")).toBeNull();
  });

  it("needs no kernel for a size of the present trace", async () => {
    const view = show({ live: false });
    const file = await saved(view);
    await load(view, { ...file, n_edges: 9 });
    expect(view.model.get("n_edges")).toBe(9);
    await load(view, { ...file, toggles: { "1.0": "off" } });
    expect(view.get("error").textContent).toContain("needs a kernel");
    expect(view.seek("code")).toBeNull();
  });

  it("is shown as code, to copy", async () => {
    HTMLDialogElement.prototype.showModal = function () {
      this.open = true;
    };
    const { model, get, seek, el } = show();
    model.replies.code = () => ({ ok: true, strace_widgets: "import strace_widgets", nnsight: "import nnsight", note: "Define my_model first." });
    click(get("code"));
    await settle();
    expect(get<HTMLTextAreaElement>("code-text").value).toBe("import strace_widgets");
    expect(get("code-note").textContent).toBe("Define my_model first.");
    click(get("code-nnsight"));
    expect(get<HTMLTextAreaElement>("code-text").value).toBe("import nnsight");
    click(get("code-copy"));
    await settle();
    expect(get("code-dialog").textContent).toContain("Selected: copy it with the keys");
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
    const { violations } = await axe.run(el, { rules: { region: { enabled: false }, "color-contrast": { enabled: false } } });
    expect(violations).toEqual([]);
    act(() => void get("code-dialog").dispatchEvent(new Event("close")));
    expect(seek("code-dialog")).toBeNull();
  });
});

describe("other curves", () => {
  it("are asked for by name and drawn with their names", async () => {
    const { model, get, seek, find } = show();
    model.replies.compare = () => ({ ok: true });
    expect(seek("measure-l1")).toBeNull();
    expect(get<HTMLButtonElement>("draw-measures").disabled).toBe(true);
    click(get("measure-random"));
    click(get("measure-l2"));
    click(get("draw-measures"));
    await settle();
    expect(model.sentOf("compare")[0].names).toEqual(["l2", "random"]);
    const curve = { kind: "measure" as const, n_edges: [1, viewState.n_edges], total_variation: [1, 0] };
    write(model, { curves: [{ ...curve, name: "l2" }, { ...curve, name: "random", kind: "baseline" }] });
    expect(get("other-curves").textContent).toBe("l2random order");
    expect([...get("curve-legend").children].map(({ textContent }) => textContent)).toEqual(["l1TV 0.938area 0.213top-1 returns at 0.205", "l2TV 1.000area 0.511", "random orderTV 1.000area 0.511"]);
    click(find('[aria-label="Curve as table"]'));
    const row = (place: string) => [...find(`.sw-table ${place}`).children].slice(-2).map((cell) => cell.textContent);
    expect(row("thead tr")).toEqual(["TV l2", "TV random order"]);
    expect([row("tbody tr:first-child"), row("tbody tr:last-child")]).toEqual([["1.000", "1.000"], ["0.000", "0.000"]]);
  });

  const l2: Curve = { name: "l2", kind: "measure", n_edges: [1, 9], total_variation: [1, 0], lasting_top1: 9 };
  const random: Curve = { ...l2, name: "random", kind: "baseline" };

  it("are shown without a kernel, where they were computed; another measure needs one", () => {
    const { model, get, seek } = show({ live: false, curves: [l2] });
    expect(get("other-curves").textContent).toBe("l2");
    expect(seek("compare-measures")).toBeNull();
    expect(get("switch-l2").getAttribute("aria-disabled")).toBe("true");
    expect(get("switch-l2").title).toBe("Switching to another measure needs a kernel that answers.");
    click(get("switch-l2"));
    expect(model.sent).toEqual([]);
  });

  it("are offered one at once, until a measure is drawn", () => {
    const { model, get, seek } = show({ curves: [random] });
    expect(get("counterpart").textContent).toBe("vs l2");
    click(get("counterpart"));
    expect(model.sentOf("compare")[0].names).toEqual(["l2", "random"]);
    write(model, { curves: [l2, random] });
    expect(seek("counterpart")).toBeNull();
  });

  it("lead to their measure at the same size and toggles, and back from the same place", async () => {
    const { model, get, seek } = show({ n_edges: 7, toggles: { "1.0": "off" }, curves: [l2, random] });
    expect(seek("switch-random")).toBeNull(); // an order, but no measure
    const button = get("switch-l2");
    act(() => button.focus());
    expect(get("other-curves").querySelectorAll("[data-emphasised=true]")).toHaveLength(2); // the line and its name
    click(button);
    expect(model.sentOf("trace")[0]).toMatchObject({ settings: { ...settings, importance: "l2" }, n_edges: 7, toggles: { "1.0": "off" } });
    await traced(model, { ...viewState, importance: "l2" }, { curves: [{ ...l2, name: "l1" }, random] });
    expect(get("switch-l1")).toBe(button);
    click(button);
    expect(model.sentOf("trace")[1].settings).toEqual(settings);
  });

  it("read the error of every line at the present size, and say which is interpolated", () => {
    const { model, get } = show({ n_edges: 3, curves: [l2] });
    const numbers = () => get("curve-legend").lastElementChild?.textContent;
    expect(numbers()).toBe(`l2TV ≈ 0.500area 0.556top-1 returns at ${(9 / viewState.n_edges).toFixed(3)}`);
    write(model, { n_edges: 9 });
    expect(numbers()).toContain("l2TV 0.000");
  });

  it("are told when the measure is another", async () => {
    const { model, get } = show({ curves: [l2] });
    click(get("switch-l2"));
    await traced(model, { ...viewState, importance: "l2" }, { evaluation: makeEvaluation(viewState, { n_edges: 1, toggles: {} }) });
    expect(get("announcement").textContent).toMatch(/^importance l2: TV 0\.610, top token/);
  });
});
