import { describe, expect, it } from "vitest";
import { addTried, noHistory, push } from "../src/logic/history";
import { fileName, parseSession, sessionFile } from "../src/logic/sessionFile";
import { settingsOf } from "../src/logic/settings";
import { decodeBundle, type Bundle, type EncodedBundle } from "../src/protocol/state";
import { makeEvaluation, makeState } from "./fixture";

const encoded = makeState().bundle as EncodedBundle;
const bundle = decodeBundle(encoded) as Bundle;
const step = { settings: settingsOf(bundle), n_edges: 5, toggles: { "1.0": "off", "2.mlp": "on" } } as const;
const history = addTried(push(noHistory, step), step, makeEvaluation(encoded, step), bundle.n_edges, bundle.n_heads);
const file = sessionFile(bundle, 5, step.toggles, history);
const parse = (changes: object) => () => parseSession(JSON.stringify({ ...file, ...changes }), bundle);

describe("parseSession", () => {
  it("reads what Save writes, and a session without a history", () => {
    expect(parse({})()).toEqual(file);
    expect(parse({ history: {} })().history).toEqual({});
    expect(parse({ history: undefined, extra: 1 })()).toEqual({ ...file, history: {} });
  });

  it.each([
    [{ format: "strace-bundle" }, 'its format is "strace-bundle"'],
    [{ format: undefined }, "its format is missing"],
    [{ version: 2 }, "has version 2; this package reads version 1"],
    [{ model: "gpt2" }, `saved with the model "gpt2", but this view shows "${bundle.model}"`],
    [{ settings: { prompt: "x" } }, "settings lack"],
    [{ n_edges: 0 }, "number of edges is 0"],
    [{ n_edges: "5" }, 'number of edges is "5"'],
    [{ toggles: { "3.0": "off" } }, "toggles name a component that a model of 3 layers with 2 heads"],
    [{ toggles: { "0.2": "off" } }, "toggles name"],
    [{ toggles: { "0.1": "auto" } }, "toggles name"],
    [{ toggles: { __proto__x: "off" } }, "toggles name"],
    [{ history: { ...history, at: 7 } }, "history"],
    [{ history: { ...history, steps: [{}] } }, "history"],
    [{ history: { ...history, tried: [{ ...history.tried[0], head: null }] } }, "history"],
    [{ history: [] }, "history"],
  ])("refuses %j", (changes, sentence) => {
    expect(parse(changes)).toThrow(sentence);
  });

  it.each(["", "{", "[]", "null", "3"])("refuses %j as a whole", (text) => {
    expect(() => parseSession(text, bundle)).toThrow("This file is no session");
  });
});

describe("fileName", () => {
  it("is made of the prompt's words", () => {
    expect(fileName({ ...step, settings: { ...step.settings, prompt: "The/cat: <sat> on\n" } })).toBe("strace The cat sat on.json");
    expect(fileName({ ...step, settings: { ...step.settings, prompt: "?!" } })).toBe("strace session.json");
  });
});
