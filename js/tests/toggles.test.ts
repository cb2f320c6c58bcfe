import { describe, expect, it } from "vitest";
import { componentName, cycle, describeChange, edgeState, layerKeys, layerState, parseName, sameToggles, setToggles, toggleGroups } from "../src/logic/toggles";
import type { Toggles } from "../src/protocol/types";

it("cycles auto → off → on → auto, and leaves nothing behind", () => {
  const off = cycle({}, "2.1");
  const on = cycle(off, "2.1");
  expect([off, on, cycle(on, "2.1")]).toEqual([{ "2.1": "off" }, { "2.1": "on" }, {}]);
});

it("compares without regard to order", () => {
  expect(sameToggles({ "0.0": "off", "1.mlp": "on" }, { "1.mlp": "on", "0.0": "off" })).toBe(true);
  expect(sameToggles({ "0.0": "off" }, { "0.0": "on" })).toBe(false);
  expect(sameToggles({}, { "0.0": "on" })).toBe(false);
});

describe("a whole layer", () => {
  const off = setToggles({ "0.1": "on" }, layerKeys(2, 2), "off");

  it("is heads and MLP", () => {
    expect(off).toEqual({ "0.1": "on", "2.0": "off", "2.1": "off", "2.mlp": "off" });
    expect(layerState(off, 2, 2)).toBe("off");
    expect(layerState({ "2.0": "off" }, 2, 2)).toBe("mixed");
    expect(layerState({}, 2, 2)).toBe("auto");
  });

  it("is listed as one", () => {
    expect(toggleGroups(off, 2).map(({ name, state }) => `${name} ${state}`)).toEqual(["Head 0.1 on", "Layer 2 off"]);
  });
});

it("lists toggles by place, heads before the MLP", () => {
  const names = toggleGroups({ "10.mlp": "on", "10.2": "off", "2.11": "off", "2.3": "on" }, 12).map((group) => group.name);
  expect(names).toEqual(["Head 2.3", "Head 2.11", "Head 10.2", "MLP 10"]);
});

it("describes a change in words", () => {
  expect(describeChange({}, { "21.4": "off" }, 9)).toBe("Head 21.4 off");
  expect(describeChange({ "1.mlp": "on" }, {}, 9)).toBe("MLP 1 auto");
  expect(describeChange({}, setToggles({}, layerKeys(3, 2), "on"), 2)).toBe("Layer 3 on");
  expect(describeChange({ "0.0": "off", "1.0": "off" }, {}, 2)).toBe("All toggles back to auto");
  expect(describeChange({ "0.0": "off" }, { "0.0": "off" }, 2)).toBe("");
});

describe("positions and edges", () => {
  it.each([
    ["21@3", { layer: 21, part: null, source: null, target: 3 }, "Layer 21, token 3"],
    ["21.4@3", { layer: 21, part: 4, source: null, target: 3 }, "Head 21.4, token 3"],
    ["21@1>3", { layer: 21, part: null, source: 1, target: 3 }, "Heads of layer 21, token 1 → 3"],
    ["21.4@1>3", { layer: 21, part: 4, source: 1, target: 3 }, "Head 21.4, token 1 → 3"],
    ["21.mlp@3", { layer: 21, part: "mlp", source: null, target: 3 }, "MLP 21, token 3"],
    ["21.attention_residual@3", { layer: 21, part: "attention_residual", source: null, target: 3 }, "Residual past heads 21, token 3"],
    ["21.mlp", { layer: 21, part: "mlp", source: null, target: null }, "MLP 21"],
  ])("reads %s", (key, named, name) => {
    expect(parseName(key)).toEqual(named);
    expect(componentName(key)).toBe(name);
  });

  it.each(["21", "21@", "@3", "21.x@3", "21.mlp@1>3", "21.4@3>1", "21.attention_residual", "x.4", "21.4@1>3>5"])("knows no %s", (key) => {
    expect(parseName(key)).toBeNull();
  });

  it("lets what is said of fewer edges hold", () => {
    const state = edgeState({ "1.0": "on", "1@2": "off", "1.0@2": "on", "1@1>2": "off", "1.0@1>2": "on", "1.mlp@2": "on" }, 2);
    expect(state(1, 0, 2, 1)).toBe("on");
    expect(state(1, 1, 2, 1)).toBe("off");
    expect(state(1, 0, 2, 0)).toBe("on");
    expect(state(1, 1, 2, 0)).toBe("off");
    expect(state(1, 3, 2, 2)).toBe("on");
    expect(state(1, 2, 2, 2)).toBe("off");
    expect(state(1, 4, 2, 2)).toBe("off");
    expect(state(1, 0, 1, 0)).toBe("on");
    expect(state(0, 0, 2, 1)).toBe("auto");
  });

  it("are listed beside a layer that is toggled as a whole", () => {
    const toggles: Toggles = { "1.0": "off", "1.1": "off", "1.mlp": "off", "1@2": "on", "0@1": "off" };
    expect(toggleGroups(toggles, 2).map(({ name, state }) => `${name} ${state}`)).toEqual(["Layer 0, token 1 off", "Layer 1 off", "Layer 1, token 2 on"]);
  });
});
