import { describe, expect, it } from "vitest";
import { addTried, isReachable, push, removeTried, renameTried, stepName } from "../src/logic/history";
import { defaults, type EncodedViewState, type History, type Step } from "../src/protocol/types";
import { makeEvaluation, makeState } from "./fixture";

const viewState = makeState().view_state as EncodedViewState;
const settings = { prompt: "The cat sat", importance: "l1", masks: "all", position: 2 };
const step = (n_edges: number, toggles: Step["toggles"] = {}, changes = {}): Step => ({ settings: { ...settings, ...changes }, n_edges, toggles });
const steps = (...all: Step[]): History => all.reduce(push, defaults.history);
const tryOut = (history: History, at: Step): History => addTried(history, at, makeEvaluation(viewState, at), 100, 2);

describe("steps", () => {
  it("are pushed once, however often", () => {
    const history = steps(step(1), step(2), step(2));
    expect(history.steps).toHaveLength(2);
    expect(history.at).toBe(1);
    expect(push(history, step(2, {}))).toBe(history);
  });

  it("end where a new one begins", () => {
    const history = push({ ...steps(step(1), step(2), step(3)), at: 0 }, step(9));
    expect(history.steps.map(({ n_edges }) => n_edges)).toEqual([1, 9]);
  });

  it("count a way back as a step, within a trace", () => {
    expect(steps(step(1), step(1, { "0.1": "off" }), step(1)).at).toBe(2);
  });

  it("are found again when another trace arrives by undo", () => {
    const history = steps(step(1), step(5, {}, { importance: "l2" }));
    expect(push(history, step(1))).toEqual({ ...history, at: 0 });
    expect(push({ ...history, at: 0 }, step(5, {}, { importance: "l2" })).at).toBe(1);
  });

  it("are made by naming, and hold what was named", () => {
    const named = [{ name: "movers", colour: "red", members: ["0.1"] }] as const;
    const [before, after] = [{ ...step(1), groups: [] }, { ...step(1), groups: [{ ...named[0], members: ["0.1"] }] }];
    const history = steps(before, after, after);
    expect(history.steps).toEqual([before, after]);
    expect(push(history, step(1))).toBe(history); // a step of before groups were kept
  });

  it("are kept to a hundred", () => {
    const history = steps(...Array.from({ length: 130 }, (_, index) => step(index + 1)));
    expect(history.steps).toHaveLength(100);
    expect(history.steps[history.at].n_edges).toBe(130);
  });

  it("need a kernel where they hold toggles or another trace", () => {
    expect(isReachable(step(3), step(1), false)).toBe(true);
    expect(isReachable(step(3, { "0.1": "off" }), step(1), false)).toBe(false);
    expect(isReachable(step(3, {}, { position: 1 }), step(1), false)).toBe(false);
    expect(isReachable(step(3, {}, { position: 1 }), step(1), true)).toBe(true);
    expect(isReachable(undefined, step(1), true)).toBe(false);
  });
});

describe("tried", () => {
  it("holds each exact result once, the newest first", () => {
    const history = tryOut(tryOut(defaults.history, step(4)), step(4, { "1.0": "off" }));
    expect(history.tried.map(({ name }) => name)).toEqual(["− head 1.0", "s 0.04"]);
    expect(history.tried[0].top[0].token).toBe(" Rome");
    expect(tryOut(history, step(4))).toBe(history);
  });

  it("ignores a result of another state", () => {
    expect(addTried(defaults.history, step(4), makeEvaluation(viewState, step(5)), 100, 2)).toBe(defaults.history);
    expect(addTried(defaults.history, step(4), null, 100, 2)).toBe(defaults.history);
  });

  it("is renamed, removed and kept to fifty", () => {
    const history = Array.from({ length: 60 }, (_, index) => step(index + 1)).reduce(tryOut, defaults.history);
    expect(history.tried).toHaveLength(50);
    expect(history.tried[0].n_edges).toBe(60);
    const renamed = renameTried(history, history.tried[0], "mine");
    expect(renamed.tried.map(({ name }) => name).slice(0, 2)).toEqual(["mine", "s 0.59"]);
    expect(removeTried(renamed, renamed.tried[0]).tried).toHaveLength(49);
  });
});

describe("stepName", () => {
  it("names the size, else the toggles, else their number", () => {
    expect(stepName(step(271), 1000, 2)).toBe("s 0.271");
    expect(stepName(step(1, { "1.0": "off", "2.mlp": "on" }), 9, 2)).toBe("− head 1.0 + MLP 2");
    expect(stepName(step(1, { "1.0": "off", "1.1": "off", "1.mlp": "off" }), 9, 2)).toBe("− layer 1");
    expect(stepName(step(1, { "0.0": "off", "1.1": "off", "2.0": "on", "2.mlp": "off" }), 9, 2)).toBe("4 toggles");
  });
});
