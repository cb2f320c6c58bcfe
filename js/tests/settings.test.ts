import { describe, expect, it } from "vitest";
import { byMeasure, measureName, sameSettings, settingsDifference, withPresent } from "../src/logic/settings";

const present = { prompt: "The cat sat", importance: "l1", masks: "all", position: 2 };

describe("settingsDifference", () => {
  it("names what differs, and a position within the same prompt only", () => {
    expect(settingsDifference({ ...present }, present)).toBe("");
    expect(settingsDifference({ ...present, position: 1, importance: "l2" }, present)).toBe("token 1 · l2");
    const elsewhere = { prompt: "The Eiffel Tower is in the city of", importance: "l1", masks: "mlp+residual", position: 8 };
    expect(settingsDifference(elsewhere, present)).toBe("“The Eiffel Tower …” · MLP and residual edges masked");
  });
});

const by = (passes: number, masks = "all") => ({ passes, masks, attention: "recomputed", ablation: "zero", gradients: true });
const how = { start: "l1", refinements: [by(13)] };
const refined = byMeasure(present, "refined", how);

describe("refined settings", () => {
  it("are the same where they were refined alike, whatever the order of the fields", () => {
    const again = { refinements: [{ gradients: true, ablation: "zero", attention: "recomputed", masks: "all", passes: 13 }], start: "l1" };
    expect(sameSettings(refined, { ...refined, refined: again })).toBe(true);
    const others = [undefined, { ...how, start: "" }, ...[[by(13), by(30)], [by(14)], [by(13, "mlp+residual")]].map((refinements) => ({ ...how, refinements }))];
    for (const other of others) expect(sameSettings(refined, { ...refined, refined: other })).toBe(false);
  });

  it("say how, and leave it behind under another measure", () => {
    const further = { ...how, refinements: [by(13), by(30, "mlp+residual")] };
    expect(measureName(refined)).toBe("refined (l1, 13 passes)");
    expect(measureName({ importance: "refined", refined: { ...further, start: "" } })).toBe("refined (13 + 30 under mlp+residual passes)");
    expect(byMeasure(refined, "l2")).toEqual({ ...present, importance: "l2" });
    expect(settingsDifference(refined, present)).toBe("refined (l1, 13 passes)");
    expect(settingsDifference({ ...refined, refined: further }, refined)).toBe("refined (l1, 13 + 30 under mlp+residual passes)");
  });
});

describe("withPresent", () => {
  it("adds a present choice that is not offered", () => {
    expect(withPresent(["l1", "l2"], "l2")).toEqual(["l1", "l2"]);
    expect(withPresent(["l1"], "own")).toEqual(["own", "l1"]);
  });
});
