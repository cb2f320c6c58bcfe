import { describe, expect, it } from "vitest";
import { cycle, describeChange, layerState, sameToggles, setToggles, toggleGroups, layerKeys } from "../src/logic/toggles";

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
