import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import explorer from "../src/explorer";
import { isFirstTime, placeCallout, ringAround, tour, tourOf, type Box } from "../src/logic/tour";
import { decodeViewState } from "../src/protocol/decode";
import { fakeModel } from "./fakeModel";
import { makeState } from "./fixture";
import { clear, click, press, settle, show } from "./render";

beforeEach(() => localStorage.clear());
afterEach(clear);

describe("a callout", () => {
  const card = { width: 1000, height: 800 };
  const callout = { width: 300, height: 120 };
  const apart = (one: Box, other: Box) =>
    one.left + one.width <= other.left || other.left + other.width <= one.left || one.top + one.height <= other.top || other.top + other.height <= one.top;
  const parts: [string, Box, string][] = [
    ["a left column", { left: 16, top: 290, width: 440, height: 300 }, "right"],
    ["a right column", { left: 500, top: 290, width: 484, height: 400 }, "left"],
    ["a line at the top", { left: 0, top: 0, width: 1000, height: 44 }, "below"],
    ["a line at the foot", { left: 0, top: 756, width: 1000, height: 44 }, "above"],
    ["a small part low in the left column", { left: 16, top: 760, width: 440, height: 30 }, "right"],
  ];

  it.each(parts)("lies beside %s, never over it, and in the card", (_, part, side) => {
    const place = placeCallout(part, callout, card);
    expect(place.side).toBe(side);
    expect(apart({ ...place, ...callout }, part)).toBe(true);
    expect(place.left).toBeGreaterThanOrEqual(0);
    expect(place.left + callout.width).toBeLessThanOrEqual(card.width);
    expect(place.top).toBeGreaterThanOrEqual(0);
    expect(place.top + callout.height).toBeLessThanOrEqual(card.height);
  });

  it("points at its part", () => {
    const low = placeCallout(parts[4][1], callout, card);
    expect(low.top + low.arrow).toBeGreaterThan(760);
    const line = placeCallout({ left: 0, top: 0, width: 200, height: 40 }, callout, { width: 310, height: 800 });
    expect(line.left + line.arrow).toBe(100);
  });

  it("has a ring that ends with the card", () => {
    expect(ringAround({ left: 16, top: 100, width: 50, height: 50 }, card)).toEqual({ left: 11, top: 95, width: 60, height: 60 });
    expect(ringAround({ left: 0, top: 760, width: 1000, height: 40 }, card)).toEqual({ left: 0, top: 755, width: 1000, height: 45 });
  });
});

describe("the first time", () => {
  it("is once", () => {
    expect([isFirstTime(), isFirstTime()]).toEqual([true, false]);
  });
});

describe("the tour", () => {
  it("comes once a kernel has answered, and in one Explorer", () => {
    const waiting = fakeModel(makeState());
    waiting.replies = {};
    expect(show({}, waiting).seek("tour-callout")).toBeNull();
    const first = show();
    expect(first.get("tour-callout").textContent).toContain(`1 of ${tour.length}`);
    expect(document.activeElement).toBe(document.body);
    expect(show().seek("tour-callout")).toBeNull();
  });

  it("comes neither in a replay nor in a single view", () => {
    show({ live: false });
    const el = document.body.appendChild(document.createElement("div"));
    let unmount = () => {};
    act(() => {
      unmount = explorer.initialize({ model: fakeModel(makeState()) }).mount("LayerView", el);
    });
    expect(document.querySelector("[data-testid=tour-callout]")).toBeNull();
    expect(isFirstTime()).toBe(true);
    act(() => unmount());
  });

  it("points at parts that are there, and says only what can be done", () => {
    const live = show();
    for (const { part } of tour) expect(live.find(part)).toBeTruthy();
    expect(tourOf(decodeViewState(makeState().view_state)!)).toEqual(tour);
    const { graph_part: _, graph_link, graph_weight, ...old } = makeState().view_state!.arrays as Record<string, unknown>;
    const withoutGraph = decodeViewState({ ...makeState().view_state!, arrays: old } as never)!;
    expect(tourOf(withoutGraph).map(({ part }) => part)).toEqual(tour.map(({ part }) => part).filter((part) => part !== ".sw-graph"));
    const replay = show({ live: false });
    click(replay.get("tour"));
    expect(replay.get("tour-callout").textContent).toContain(tour[0].replay);
  });

  it("goes on, back and away, and hands the focus back to its button", async () => {
    isFirstTime();
    const { get, seek } = show();
    act(() => get("tour").focus());
    click(get("tour"));
    await settle();
    expect(document.activeElement).toBe(get("tour-next"));
    expect(seek("tour-back")).toBeNull();
    click(get("tour-next"));
    expect(get("tour-callout").textContent).toContain(tour[1].text);
    click(get("tour-back"));
    expect(get("tour-callout").textContent).toContain(tour[0].text);
    press(get("tour-next"), "Escape");
    expect(seek("tour-callout")).toBeNull();
    expect(document.activeElement).toBe(get("tour"));
    click(get("tour"));
    for (let step = 1; step < tour.length; step += 1) click(get("tour-next"));
    expect(get("tour-next").textContent).toBe("Done");
    click(get("tour-next"));
    expect(seek("tour-callout")).toBeNull();
  });

  it("is put away by its button too", () => {
    const { get, seek } = show();
    expect(get("tour").getAttribute("aria-expanded")).toBe("true");
    click(get("tour"));
    expect(seek("tour-callout")).toBeNull();
    expect(get("tour").getAttribute("aria-expanded")).toBe("false");
  });
});
