import { describe, expect, it } from "vitest";
import { addTried, push } from "../src/logic/history";
import { fileName, parseSession, sessionFile } from "../src/logic/sessionFile";
import { settingsOf } from "../src/logic/settings";
import { decodeViewState } from "../src/protocol/decode";
import { defaults, type EncodedViewState, type ViewState } from "../src/protocol/types";
import { makeEffects, makeEvaluation, makeState } from "./fixture";

const encoded = makeState().view_state as EncodedViewState;
const viewState = decodeViewState(encoded) as ViewState;
const step = { settings: settingsOf(viewState), n_edges: 5, toggles: { "1.0": "off", "2.mlp": "on" } } as const;
const history = addTried(push(defaults.history, step), step, makeEvaluation(encoded, step), viewState.n_edges, viewState.n_heads);
const file = sessionFile(viewState, 5, step.toggles, { history, shade: "share", effects: null, groups: [{ name: "name movers", colour: "red", members: ["1.0", "2.mlp"] }], note: "why?" });
const parse = (changes: object) => () => parseSession(JSON.stringify({ ...file, ...changes }), viewState);

describe("parseSession", () => {
  it("reads what Save writes, and a session without a history", () => {
    expect(parse({})()).toEqual(file);
    expect(parse({ version: 1, history: {} })().history).toEqual(defaults.history);
    expect(parse({ history: undefined, extra: 1 })()).toEqual({ ...file, history: defaults.history });
  });

  it("reads files without groups and a note", () => {
    expect(parse({ groups: undefined, note: undefined })()).toMatchObject({ groups: [], note: "" });
  });

  it("reads what was known of heads and MLPs", () => {
    const { effects } = sessionFile(viewState, 5, {}, { history, shade: "effect", effects: makeEffects(), groups: [], note: "" });
    expect(parse({ effects })().effects).toEqual(effects);
    const broken = (changes: object) => parse({ effects: { ...effects, ...changes } });
    for (const changes of [{ answer: 3 }, { known: null }, { known: effects!.logit_change }, { known: { ...effects!.known, data: "AAE=" } }, { known: { ...effects!.known, data: "?" } }]) {
      expect(broken(changes)).toThrow("effects are not those of this model");
    }
    expect(parse({ effects: "many" })).toThrow("effects");
  });

  it("reads toggles of positions and edges, of any prompt", () => {
    const toggles = { "1@7": "off", "2.1@0>7": "on", "0.mlp@3": "off" };
    expect(parse({ toggles })().toggles).toEqual(toggles);
  });

  it("reads how a trace was refined", () => {
    const modes = { masks: "all", attention: "recomputed", ablation: "zero", gradients: true };
    const refined = { start: "l1", refinements: [{ passes: 13, ...modes }, { passes: 30, ...modes }] };
    const settings = { ...step.settings, importance: "refined", refined };
    expect(parse({ settings })().settings).toEqual(settings);
  });

  it.each([
    [{ format: "strace-bundle" }, 'its format is "strace-bundle"'],
    [{ format: undefined }, "its format is missing"],
    [{ version: 3 }, "has version 3; this package reads up to version 2"],
    [{ version: 1, history: { ...history, tried: [null] } }, "history"],
    [{ model: "gpt2" }, `saved with the model "gpt2", but this view shows "${viewState.model}"`],
    [{ settings: { prompt: "x" } }, "settings lack"],
    [{ settings: { ...step.settings, refined: { start: "l1", refinements: [13] } } }, "settings lack"],
    [{ n_edges: 0 }, "number of edges is 0"],
    [{ n_edges: "5" }, 'number of edges is "5"'],
    [{ toggles: { "3.0": "off" } }, "toggles name a component that a model of 3 layers with 2 heads"],
    [{ toggles: { "0.2": "off" } }, "toggles name"],
    [{ toggles: { "0.1": "auto" } }, "toggles name"],
    [{ toggles: { "3@0": "off" } }, "toggles name"],
    [{ toggles: { "0.2@0": "off" } }, "toggles name"],
    [{ toggles: { "0.1@2>1": "off" } }, "toggles name"],
    [{ toggles: { __proto__x: "off" } }, "toggles name"],
    [{ history: { ...history, at: 7 } }, "history"],
    [{ history: { ...history, steps: [{}] } }, "history"],
    [{ history: { ...history, tried: [{ ...history.tried[0], top: null }] } }, "history"],
    [{ history: [] }, "history"],
    [{ history: { ...history, steps: [{ ...step, groups: [{ name: "a" }] }] } }, "history"],
    [{ groups: {} }, "groups"],
    [{ groups: [{ name: "", colour: "red", members: [] }] }, "groups"],
    [{ groups: [{ name: "a\nb", colour: "red", members: [] }] }, "groups"],
    [{ groups: [{ name: "a", colour: "pink", members: [] }] }, "groups"],
    [{ groups: [{ name: "a", colour: "red", members: ["3.0"] }] }, "groups"],
    [{ groups: [{ name: "a", colour: "red", members: ["0.0@1"] }] }, "groups"],
    [{ groups: [{ ...file.groups![0] }, { ...file.groups![0] }] }, "groups"],
    [{ groups: [null] }, "groups"],
    [{ note: 3 }, "note"],
    [{ note: "x".repeat(2001) }, "note"],
  ])("refuses %j", (changes, sentence) => {
    expect(parse(changes)).toThrow(sentence);
  });

  it.each(["", "{", "[]", "null", "3"])("refuses %j as a whole", (text) => {
    expect(() => parseSession(text, viewState)).toThrow("This file is no session");
  });
});

describe("fileName", () => {
  it("is made of the prompt's words", () => {
    expect(fileName({ ...step, settings: { ...step.settings, prompt: "The/cat: <sat> on\n" } })).toBe("strace The cat sat on.json");
    expect(fileName({ ...step, settings: { ...step.settings, prompt: "?!" } })).toBe("strace session.json");
  });
});
