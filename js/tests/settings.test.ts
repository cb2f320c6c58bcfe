import { describe, expect, it } from "vitest";
import { settingsDifference, withPresent } from "../src/logic/settings";

const present = { prompt: "The cat sat", importance: "l1", masks: "all", position: 2 };

describe("settingsDifference", () => {
  it("names what differs, and a position within the same prompt only", () => {
    expect(settingsDifference({ ...present }, present)).toBe("");
    expect(settingsDifference({ ...present, position: 1, importance: "l2" }, present)).toBe("token 1 · l2");
    const elsewhere = { prompt: "The Eiffel Tower is in the city of", importance: "l1", masks: "mlp+residual", position: 8 };
    expect(settingsDifference(elsewhere, present)).toBe("“The Eiffel Tower …” · MLP and residual edges masked");
  });
});

describe("withPresent", () => {
  it("adds a present choice that is not offered", () => {
    expect(withPresent(["l1", "l2"], "l2")).toEqual(["l1", "l2"]);
    expect(withPresent(["l1"], "own")).toEqual(["own", "l1"]);
  });
});
