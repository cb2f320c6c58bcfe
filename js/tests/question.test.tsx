import axe from "axe-core";
import { afterEach, describe, expect, it } from "vitest";
import { askedNames, choose as chooseToken, figureName, paired, questionText, roleOf, withoutTarget } from "../src/logic/question";
import { known, leastOf, linesOf, mostOf, quantities } from "../src/logic/quantities";
import { read } from "../src/logic/reading";
import { formatFaithfulness } from "../src/logic/scales";
import { sessionFile, parseSession } from "../src/logic/sessionFile";
import { sameSettings, settingsDifference, settingsOf } from "../src/logic/settings";
import { decodeViewState } from "../src/protocol/decode";
import { defaults, type EncodedViewState, type Question, type Settings, type ViewState } from "../src/protocol/types";
import { encode, makeEvaluation, makeState } from "./fixture";
import { choose, clear, click, enter, press, settle, show, traced, write } from "./render";

const plain = makeState().view_state as EncodedViewState;
const levels = plain.arrays.level_n_edges.shape[0];
const question: Question = {
  target: [{ id: 0, token: " Paris" }],
  foil: [{ id: 1, token: " Rome" }],
  counterfactual: ["The", " dog", " sat"],
  counterfactual_text: "The dog sat",
  ordered: false,
  full_figure: 2.8,
  empty_figure: -1,
  cpr: 0.71,
  cmd: 0.32,
  cpr_log: 0.4,
  cmd_log: 0.6,
};
const asked: EncodedViewState = {
  ...plain,
  target: [0],
  foil: [1],
  counterfactual: [5, 6, 7],
  question,
  arrays: { ...plain.arrays, faithfulness: encode("float32", Array.from({ length: levels }, (_, level) => level / (levels - 1) - 0.25 * Number(level === 1))) },
};
const viewState = decodeViewState(asked) as ViewState;
const settings: Settings = { prompt: "The cat sat", importance: "l1", masks: "all", position: 2 };
const choices = { ...makeState().choices, ablation: ["zero", "patch", "patch values"] };
const without = { ...settings, counterfactual: [5, 6, 7] };
afterEach(clear);

describe("a question", () => {
  it("begins with a target, then has a foil, and lets go what is chosen again", () => {
    const one = chooseToken(settings, 4);
    expect(one).toEqual({ ...settings, target: [4] });
    const two = chooseToken(one, 7);
    expect(two).toEqual({ ...settings, target: [4], foil: [7] });
    expect(chooseToken(two, 9)).toEqual({ ...settings, target: [4], foil: [9] });
    expect(settingsOf(chooseToken(two, 7))).toEqual(one);
    expect(chooseToken(two, 4)).toEqual(settings);
    expect(chooseToken({ ...two, target: [4, 5] }, 4)).toEqual({ ...settings, target: [5], foil: [7] });
    expect(withoutTarget(two)).toEqual(settings);
  });

  it("has names, which say what its figure is", () => {
    expect(askedNames(question)).toEqual({ target: "Paris", foil: "Rome" });
    expect(figureName(question)).toBe("Paris − Rome");
    expect(figureName({ ...question, foil: [] })).toBe("log p(Paris)");
    expect(figureName({ ...question, foil: [{ id: 3, token: "Paris" }] })).toBe("·Paris − Paris");
    expect([0, 1, 2].map((id) => roleOf(question, id))).toEqual(["target", "foil", null]);
    expect([questionText(viewState), questionText({ ...viewState, question: undefined })]).toEqual(["target Paris, foil Rome", "no target"]);
    expect(paired(viewState)).toEqual({ names: ["The", "·cat", "·sat"], others: ["The", "·dog", "·sat"], differ: [false, true, false] });
  });

  it("is part of what a trace is made from, in steps and in files", () => {
    const own = settingsOf(viewState);
    expect(own).toEqual({ ...without, target: [0], foil: [1] });
    expect(sameSettings(own, { ...own, foil: [2] })).toBe(false);
    expect(sameSettings(settings, { ...settings, ablation: "zero" })).toBe(true);
    expect(settingsDifference({ ...settings, target: [3], ablation: "patch", counterfactual: [1, 2, 3] }, settings)).toBe("another target · another counterfactual · patch");
    expect(settingsDifference(settings, own)).toBe("no target · no counterfactual");
    const file = sessionFile(viewState, 5, {}, { ...defaults });
    expect(parseSession(JSON.stringify(file), viewState).settings).toEqual(own);
    expect(() => parseSession(JSON.stringify({ ...file, settings: { ...own, target: ["Paris"] } }), viewState)).toThrow("damaged");
  });
});

describe("faithfulness", () => {
  const [, , faithfulness] = quantities;
  it("is drawn where it is known, on an axis with nothing and the whole", () => {
    expect(known(viewState.arrays)).toEqual(quantities);
    expect(known((decodeViewState(plain) as ViewState).arrays)).not.toContain(faithfulness);
    const [most, least] = [mostOf(faithfulness, viewState.arrays, 1), leastOf(faithfulness, viewState.arrays, 1)];
    expect([most, least < 0]).toEqual([1, true]);
    expect(linesOf(faithfulness, -0.1, 1)).toEqual([1, 0]);
    expect(linesOf(faithfulness, -1, 2)).toEqual([2, 1, 0, -1]);
    expect(linesOf(quantities[1], 0, 8)).toEqual([8, 4, 0]);
  });

  it("is that of an exact result, or between two levels", () => {
    const size = viewState.arrays.level_n_edges[2];
    expect(read(viewState, size, {}, null).faithfulness).toBeCloseTo(2 / (levels - 1));
    const exact = makeEvaluation(asked, { n_edges: size, toggles: {} });
    expect(read(viewState, size, {}, { ...exact, faithfulness: 0.5 }).faithfulness).toBe(0.5);
    expect(read(viewState, size, {}, exact).faithfulness).toBeCloseTo(2 / (levels - 1)); // it came before the levels
    expect(read(decodeViewState(plain) as ViewState, size, {}, null)).not.toHaveProperty("faithfulness");
    expect([0.834, -0.121, -0.001, 1.2, null, undefined, NaN].map(formatFaithfulness)).toEqual(["0.83", "−0.12", "0.00", "1.20", "–", "–", "–"]);
  });
});

describe("the next tokens", () => {
  const tokens = (el: HTMLElement) => [...el.querySelectorAll<HTMLElement>('[data-testid="choose-token"]')];

  it("become target and foil by a click, and are let go by Escape or a button", async () => {
    const { model, el, get, seek } = show({ choices });
    click(tokens(el)[0]);
    expect(model.sentOf("trace")[0]).toMatchObject({ settings: { ...settings, target: [0] }, n_edges: 1, toggles: {} });
    await traced(model, { ...asked, foil: undefined, counterfactual: undefined, question: { ...question, foil: [], counterfactual: [] } });
    expect(tokens(el).map((token) => token.getAttribute("aria-pressed")).slice(0, 2)).toEqual(["true", "false"]);
    expect(get("announcement").textContent).toMatch(/^target Paris: faithfulness/);
    click(tokens(el)[1]);
    expect(model.sentOf("trace")[1].settings).toEqual({ ...settings, target: [0], foil: [1] });
    await traced(model, asked);
    expect(tokens(el)[1].textContent).toBe("·Rome, foil");
    expect(get("asked").textContent).toContain("Why Paris rather than Rome? logit difference +2.80 in the full model; edges are ranked by l1, for all tokens");
    expect(get("faithfulness").textContent).toMatch(/^f = \S+ of the logit difference Paris − Rome$/);
    press(tokens(el)[1], "Escape");
    expect(model.sentOf("trace")[2].settings).toEqual(without);
    await traced(model, asked);
    click(get("clear-target"));
    expect(model.sentOf("trace")[3].settings).toEqual(without);
    await traced(model, plain);
    expect([seek("asked"), seek("faithfulness")]).toEqual([null, null]);
    expect(get("announcement").textContent).toMatch(/^no target: TV/);
    press(tokens(el)[0], "Escape"); // nothing is asked, so that there is nothing to let go
    expect(model.sentOf("trace")).toHaveLength(4);
  });

  it("are one tab stop, which the arrows move", () => {
    const { el } = show();
    const stops = () => tokens(el).map(({ tabIndex }) => tabIndex);
    tokens(el)[0].focus();
    press(tokens(el)[0], "ArrowDown");
    expect(document.activeElement).toBe(tokens(el)[1]);
    press(tokens(el)[1], "End");
    expect(document.activeElement).toBe(tokens(el).at(-1));
    expect(stops().filter((stop) => stop === 0)).toHaveLength(1);
    press(tokens(el).at(-1)!, "Home");
    expect(document.activeElement).toBe(tokens(el)[0]);
  });

  it("show what was asked where there is no kernel, and what the model prefers", async () => {
    const { el, get, seek } = show({ live: false, view_state: { ...asked, question: { ...question, full_figure: -0.5, ordered: true } } });
    expect(tokens(el)).toEqual([]);
    expect(seek("clear-target")).toBeNull();
    expect(get("asked").textContent).toContain("The full model prefers Rome.");
    expect(get("asked").textContent).not.toContain("ranked");
    expect(el.querySelectorAll('.sw-next tr [data-role="target"]')).toHaveLength(1);
    expect((await axe.run(el, { rules: { "color-contrast": { enabled: false } } })).violations).toEqual([]);
  });
});

describe("the curve", () => {
  it("stands on faithfulness, with its means, while a target is asked for", async () => {
    const { el, model, get } = show({ view_state: asked });
    const title = () => el.querySelector(".sw-curve-head h3")?.textContent;
    expect([...get<HTMLSelectElement>("quantity").options].map(({ value }) => value)).toEqual(["total_variation", "kl", "faithfulness"]);
    choose(get<HTMLSelectElement>("quantity"), "faithfulness");
    expect(title()).toBe("Faithfulness against size CPR 0.40 · CMD 0.60 over log s");
    choose(get<HTMLSelectElement>("spacing"), "linear");
    expect(title()).toBe("Faithfulness against size CPR 0.71 · CMD 0.32 over s");
    expect(get("slider").getAttribute("aria-valuetext")).toContain("faithfulness");
    write(model, { view_state: plain });
    expect(title()).toBe("Error against size drag the line");
    expect(get<HTMLSelectElement>("quantity").value).toBe("total_variation");
  });
});

describe("the counterfactual", () => {
  it("stands below the prompt, and is swapped with it", async () => {
    const { model, el, get } = show({ view_state: asked, choices, n_edges: 7 });
    expect([...el.querySelectorAll(".sw-token-other")].map((token) => [token.textContent, token.getAttribute("data-differs")])).toEqual([
      ["The", "false"],
      ["·dog", "true"],
      ["·sat", "false"],
    ]);
    expect(get("token-1").textContent).toBe("·cat, counterfactual ·dog");
    expect(get("pair-note").textContent).toContain("differs in 1 of 3 tokens");
    click(get("swap"));
    expect(model.sentOf("trace")[0]).toMatchObject({ swap: true, n_edges: 7 });
    await settle();
  });

  it("is patched in where that is chosen", async () => {
    const { model, get, seek } = show({ view_state: asked, choices });
    choose(get<HTMLSelectElement>("ablation"), "patch");
    expect(model.sentOf("trace")[0].settings).toEqual({ ...without, target: [0], foil: [1], ablation: "patch" });
    await traced(model, plain);
    expect(seek("ablation")).toBeNull();
  });

  it("is typed below the prompt, and stays where it is refused", async () => {
    const { model, el, get, seek } = show({ choices });
    click(get("prompt-edit"));
    enter(get<HTMLTextAreaElement>("counterfactual-input"), "The dog");
    press(get("counterfactual-input"), "Enter");
    const { id, settings: sent, counterfactual } = model.sentOf("trace")[0];
    expect([sent, counterfactual]).toEqual([settings, "The dog"]);
    model.receive({ id, kind: "trace", ok: false, error: "The counterfactual has 2 tokens\n  prompt: 'The'" });
    await settle();
    expect(get("error").textContent).toContain("Not traced. The counterfactual has 2 tokens\n  prompt: 'The'");
    enter(get<HTMLTextAreaElement>("counterfactual-input"), "The dog sat");
    press(get("counterfactual-input"), "Enter");
    await traced(model, asked);
    expect(seek("prompt-input")).toBeNull();
    click(get("prompt-edit"));
    expect(get<HTMLTextAreaElement>("counterfactual-input").value).toBe("The dog sat");
    press(get("prompt-input"), "Enter"); // nothing has changed
    await settle();
    expect(model.sentOf("trace")).toHaveLength(2);
    expect(el.querySelector("textarea")).toBeNull();
  });
});
