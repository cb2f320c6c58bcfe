// The film: the size runs to its end by itself, and stops at anything that is done.
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { choose, clear, click, press, show, type View } from "./render";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  clear();
});

const run = (ms: number) => act(() => void vi.advanceTimersByTime(ms));
const edges = ({ get }: View): number => Number(get("edges").dataset.edges);
const says = ({ get }: View): string => get("play").textContent!.trim();

describe("the film", () => {
  it("runs from the axis's start to all edges, and writes the size at its end alone", () => {
    const view = show({ n_edges: 9 });
    click(view.get("play"));
    expect([says(view), edges(view)]).toEqual(["Pause", 1]);
    const seen: number[] = [];
    for (let second = 0; second < 7; second += 1) {
      run(1000);
      seen.push(edges(view));
    }
    expect(seen).toEqual([...seen].sort((first, second) => first - second));
    expect(new Set(seen).size).toBeGreaterThan(4);
    expect(view.model.saved).toEqual([]);
    run(1500);
    expect([says(view), edges(view), view.model.saved.map((asked) => asked.n_edges)]).toEqual(["Play", 44, [44]]);
    run(5000);
    expect(view.model.saved).toHaveLength(1);
  });

  it("runs twice as fast where that is chosen, while it runs", () => {
    const view = show({ n_edges: 9 });
    click(view.get("play"));
    choose(view.get<HTMLSelectElement>("speed"), "2");
    run(4200);
    expect([says(view), edges(view)]).toEqual(["Play", 44]);
  });

  it("is the space bar's on the slider, and goes on where it was paused", () => {
    const view = show({ n_edges: 9 });
    press(view.get("slider"), " ");
    run(5000);
    press(view.get("slider"), " ");
    const paused = edges(view);
    expect([says(view), view.model.get("n_edges")]).toEqual(["Play", paused]);
    run(2000);
    expect(edges(view)).toBe(paused);
    press(view.get("slider"), " ");
    expect(edges(view)).toBe(paused);
    press(view.get("slider"), " ");
    press(view.get("slider"), "ArrowRight");
    press(view.get("slider"), " ");
    expect(edges(view)).toBe(1); // it was moved meanwhile
  });

  it.each(["pointerdown", "keydown", "wheel"])("stops at any %s in the card but its own", (kind) => {
    const view = show({ n_edges: 9 });
    click(view.get("play"));
    run(3000);
    const event = () => (kind === "keydown" ? new KeyboardEvent(kind, { key: "Tab", bubbles: true }) : new MouseEvent(kind, { bubbles: true }));
    act(() => void view.get("speed").dispatchEvent(event()));
    expect(says(view)).toBe("Pause");
    act(() => void view.find("[data-component]").dispatchEvent(event()));
    expect(says(view)).toBe("Play");
    expect(view.model.get("n_edges")).toBe(edges(view));
  });

  it("goes from level to level where motion is to be reduced", () => {
    vi.stubGlobal("matchMedia", (query: string) => ({ matches: query.includes("reduce"), addEventListener: () => {}, removeEventListener: () => {} }));
    const view = show({ n_edges: 9 });
    const levels = [...new Uint8Array(8).keys()].map((level) => Math.round(44 ** (level / 7)));
    click(view.get("play"));
    const seen = [edges(view)];
    for (let step = 1; step < new Set(levels).size; step += 1) {
      run(850);
      expect(edges(view)).toBe(seen.at(-1));
      run(50);
      seen.push(edges(view));
    }
    expect(seen).toEqual([...new Set(levels)]);
    expect(says(view)).toBe("Play");
  });

  it("leaves nothing behind", () => {
    const view = show({ n_edges: 9 });
    click(view.get("play"));
    run(1000);
    view.unmount();
    expect(vi.getTimerCount()).toBe(0);
    expect(view.model.listeners).toBe(0);
  });

  it("plays without a kernel", () => {
    const view = show({ n_edges: 9, live: false });
    click(view.get("play"));
    run(9000);
    expect(edges(view)).toBe(44);
  });
});
