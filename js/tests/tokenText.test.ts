import { describe, expect, it } from "vitest";
import cases from "../../tests/token_texts.json";
import { columns, fitted, partOf, spacelessNames, tokenNames, visibleToken } from "../src/logic/tokenText";

it.each(cases.visible as [string, string][])("makes the token %j visible as %s", (token, visible) => {
  expect(visibleToken(token)).toBe(visible);
});

it.each(cases.names as [string[], string[]][])("tells the tokens %j of a list apart", (tokens, names) => {
  expect(tokenNames(tokens)).toEqual(names);
});

it("makes no two tokens the same", () => {
  const tokens = cases.visible.map(([token]) => token);
  expect(new Set(tokenNames(tokens)).size).toBe(new Set(tokens).size);
  expect(new Set(tokens.map(visibleToken)).size).toBe(new Set(tokens).size);
});

describe("names that are too long", () => {
  it("are cut in their middle", () => {
    expect(fitted(["·the", "·internationally", "·international"], 9)).toEqual(["·the", "·int…ally", "·int…onal"]);
    expect(columns("·int…ally")).toBe(9);
  });

  it("are left to the view where their beginnings tell them apart", () => {
    expect(fitted(["·internationally", "·incomprehensible"], 9)).toEqual(["·internationally", "·incomprehensible"]);
  });

  it("still differ where their ends are the same", () => {
    const names = ["·incomprehensible", "·inconceivable-ble", "·incompatible", "·incompatible", "·in…ble"];
    const short = fitted(names, 7);
    expect(short[2]).toBe(short[3]);
    expect(new Set(short).size).toBe(4);
    expect(short[4]).toBe("·in…ble");
  });

  it("keep whole characters, and count wide ones twice", () => {
    expect(fitted(["日本語日本語日本語", "日本語日本語日本"], 9)).toEqual(["日本…本語", "日本…日本"]);
  });
});

it("leaves the spaces at the ends out where they tell no two tokens apart", () => {
  expect(spacelessNames([" Paris", " Rome", " Paris"])).toEqual(["Paris", "Rome", "Paris"]);
  expect(spacelessNames([" Paris", "Paris", " "])).toEqual(["·Paris", "Paris", "·"]);
});

it("says which character a token is part of, in its place", () => {
  const tokens = ["I", " ⟨F0 9F 98⟩", "⟨80⟩", " you", "c⟨C3⟩", "⟨BC⟩", "⟨#12⟩"];
  expect(tokens.map((_, index) => partOf(tokens, index))).toEqual(["", "😀", "😀", "", "cü", "cü", ""]);
});
