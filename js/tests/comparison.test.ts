import { describe, expect, it } from "vitest";
import { sideBySide, differingToggles } from "../src/logic/comparison";
import type { TopToken, Tried } from "../src/protocol/types";

const row = (id: number, probability: number): TopToken => ({ id, token: `t${id}`, probability, full_probability: id / 10 });
const tried = (top: TopToken[], position = 2): Tried => ({
  settings: { prompt: "The cat sat", importance: "l1", masks: "all", position },
  n_edges: 3,
  toggles: {},
  name: "s 0.1",
  edges_kept: 3,
  total_variation: 0.5,
  top,
});

describe("sideBySide", () => {
  it("joins both lists, the most probable first, and says what it does not know", () => {
    const { rows, sameModel } = sideBySide(tried([row(1, 0.6), row(2, 0.2)]), tried([row(3, 0.9), row(2, 0.1)]));
    expect(sameModel).toBe(true);
    expect(rows.map(({ id, probabilities }) => [id, ...probabilities])).toEqual([[3, null, 0.9], [1, 0.6, null], [2, 0.2, 0.1]]);
    expect(rows[1].full).toEqual([0.1, 0.1]);
  });

  it("keeps two full models apart", () => {
    const { rows, sameModel } = sideBySide(tried([row(1, 0.6)]), tried([row(3, 0.9)], 1));
    expect(sameModel).toBe(false);
    expect(rows[0].full).toEqual([null, 0.3]);
  });
});

describe("differingToggles", () => {
  it("lists what two states set differently, by place", () => {
    expect(differingToggles({ "10.1": "off", "2.mlp": "on", "2.0": "on" }, { "2.0": "on", "10.1": "on" })).toEqual([
      { key: "2.mlp", first: "on", second: "auto" },
      { key: "10.1", first: "off", second: "on" },
    ]);
  });
});
