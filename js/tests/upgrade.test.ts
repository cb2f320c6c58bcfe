import { describe, expect, it } from "vitest";
import { decodeArray } from "../src/protocol/decode";
import { defaults, type EncodedViewState } from "../src/protocol/types";
import { upgradeHistory, upgradeState } from "../src/protocol/upgrade";
import { version1 } from "./written";

const { saved, figures } = version1;
const state = upgradeState(saved);

describe("a file of version 1", () => {
  it("is what Python makes of it", () => {
    const { arrays, ...viewState } = state.view_state as EncodedViewState;
    expect({ ...viewState, nucleus: [...decodeArray(arrays.nucleus)] }).toEqual(figures.view_state);
    expect(state.evaluation).toEqual(figures.evaluation);
    expect(state.history).toEqual(figures.history);
    expect(state).not.toHaveProperty("bundle");
  });

  it("keeps its other arrays as they are", () => {
    const { nucleus: _, ...others } = (state.view_state as EncodedViewState).arrays;
    const { nucleus: __, ...before } = saved.bundle.arrays;
    expect(others).toEqual(before);
  });

  it("may have a history that has not begun", () => {
    expect(upgradeHistory({})).toEqual(defaults.history);
  });
});

it("leaves a state of version 2 alone", () => {
  expect(upgradeState(state)).toBe(state);
});
