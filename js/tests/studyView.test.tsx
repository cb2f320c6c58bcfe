import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, expect, it, vi } from "vitest";
import type { StudyRows } from "../src/protocol/study";
import type { Status } from "../src/protocol/types";
import { pageSource, widgetSource, type Host, type StudyModel, type StudySource, type StudyTraits } from "../src/study/source";
import { StudyView } from "../src/study/StudyView";
import { makePage, makeRows, makeStudy } from "./studyFixture";
import { choose, click, enter, press, settle } from "./render";

let el: HTMLElement;
const get = <E extends HTMLElement = HTMLElement>(id: string) => el.querySelector<E>(`[data-testid="${id}"]`)!;
const all = (id: string) => [...el.querySelectorAll<HTMLElement>(`[data-testid="${id}"]`)];
const shown = () => all("open-prompt").map(({ dataset }) => dataset.id);

/** A study as a page has it; a prompt opens as a paragraph. */
function source(changes: Partial<StudySource> = {}): StudySource & { told: object[] } {
  const told: object[] = [];
  const open: StudySource["open"] = async (row, importance) => (place) => {
    place.textContent = `Explorer of ${row} by ${importance}`;
    return () => place.replaceChildren();
  };
  return { ...pageSource(makePage(), () => () => {}), open, tell: (names) => void told.push(names), told, ...changes };
}

async function show(from: StudySource): Promise<void> {
  el = document.body.appendChild(document.createElement("div"));
  act(() => render(<StudyView source={from} el={el} css={{ get: () => undefined }} />, el));
  await settle();
}

afterEach(() => {
  act(() => render(null, el));
  document.body.replaceChildren();
  vi.useRealTimers();
});

it("lists the prompts, and narrows them by what is searched and chosen", async () => {
  await show(source());
  expect(shown()).toEqual(["p0", "p1", "p2", "p3", "p4", "p5"]);
  expect(get("progress").textContent).toBe("6 prompts");
  click(get("kind-odd"));
  expect(shown()).toEqual(["p1", "p3", "p5"]);
  enter(get<HTMLInputElement>("search"), "text 3");
  expect(shown()).toEqual(["p3"]);
  expect(get("group-A").textContent).toContain("1 of 6");
  click(get("clear-filters"));
  expect(shown().length).toBe(6);
});

it("sorts up, down and not", async () => {
  await show(source());
  click(get("sort-full_entropy"));
  click(get("sort-full_entropy"));
  expect(shown()).toEqual(["p4", "p3", "p2", "p1", "p0", "p5"]);
  expect(get("sort-full_entropy").closest("th")?.getAttribute("aria-sort")).toBe("descending");
  click(get("sort-full_entropy"));
  expect(shown()[0]).toBe("p0");
});

it("compares with the rest and with a second group, each filtered by itself", async () => {
  await show(source());
  click(get("kind-even"));
  choose(get<HTMLSelectElement>("compared"), "rest");
  expect(get("group-B").dataset.n).toBe("3");
  choose(get<HTMLSelectElement>("compared"), "second");
  expect(get("group-B").getAttribute("aria-pressed")).toBe("true");
  expect(get("group-B").dataset.n).toBe("6");
  enter(get<HTMLInputElement>("search"), "text 1");
  expect([get("group-A").dataset.n, get("group-B").dataset.n]).toEqual(["3", "1"]);
  click(get("group-A"));
  expect(get<HTMLInputElement>("search").value).toBe("");
  expect([get("mean-A").dataset.n, get("mean-B").dataset.n]).toEqual(["3", "1"]);
});

it("takes a box and curves by their numbers", async () => {
  await show(source());
  const change = (id: string, text: string) =>
    act(() => {
      get<HTMLInputElement>(id).value = text;
      get(id).dispatchEvent(new Event("change", { bubbles: true }));
    });
  change("scatter-ranges-0-0", "2.5");
  expect(shown()).toEqual(["p3", "p4"]);
  change("scatter-ranges-1-1", "0.5");
  expect(shown()).toEqual(["p3"]);
  change("scatter-ranges-1-1", "many"); // no number
  expect(shown()).toEqual(["p3"]);
  click(get("scatter-ranges-clear"));
  change("curve-ranges-0-1", "0.01");
  change("curve-ranges-1-0", "0.95");
  expect(shown()).toEqual(["p0", "p2", "p4"]);
});

it("leaves a number alone while it is typed, though the views are drawn anew", async () => {
  await show(source());
  const field = get<HTMLInputElement>("scatter-ranges-0-0");
  enter(field, "2.");
  click(get("sort-full_entropy"));
  choose(get<HTMLSelectElement>("scatter-y"), "full_top1_probability");
  expect(field.value).toBe("2.");
  enter(field, "2.5");
  act(() => void field.dispatchEvent(new Event("change", { bubbles: true })));
  expect([...shown()].sort()).toEqual(["p3", "p4"]);
  enter(field, "two");
  expect(field.getAttribute("aria-invalid")).toBe("true");
  press(field, "Escape");
  expect(field.value).toBe("2.5");
  enter(field, "2.50"); // left without a change of its value
  act(() => void field.dispatchEvent(new Event("blur")));
  expect(field.value).toBe("2.5");
});

it("holds the prompts that use a head, by the keys of the map", async () => {
  await show(source());
  press(get("use-cells"), "ArrowRight");
  press(get("use-cells"), "ArrowRight");
  expect(get("use-cells").getAttribute("aria-valuetext")).toBe("MLP 0: used by 60% of the prompts");
  press(get("use-cells"), "Enter");
  expect(shown()).toEqual(["p0", "p2", "p4"]);
  press(get("use-cells"), "Enter");
  expect(shown().length).toBe(6);
});

it("opens a prompt from the table and from the plot, goes on to others and back", async () => {
  const from = source();
  await show(from);
  all("open-prompt")[1].focus();
  click(all("open-prompt")[1]);
  await settle();
  expect(get("opened").textContent).toContain("Explorer of 1 by l1");
  expect(document.activeElement?.textContent).toBe("p1");
  click(get("open-after"));
  await settle();
  expect(get("opened").dataset.id).toBe("p2");
  expect(all("visited").map(({ textContent }) => textContent)).toEqual(["p1"]);
  choose(get<HTMLSelectElement>("run"), "1");
  await settle();
  expect(get("opened").textContent).toContain("Explorer of 2 by l2");
  press(get("opened"), "Escape");
  expect(get("opened")).toBeNull();
  expect(document.activeElement).toBe(all("open-prompt")[2]);
  expect(from.told.at(-1)).toEqual({ opened: "" });
  press(get("scatter-plot"), "End");
  press(get("scatter-plot"), "Enter");
  await settle();
  expect(get("opened").dataset.id).toBe("p4");
});

it("says why a prompt does not open", async () => {
  await show(source({ open: async () => Promise.reject(new Error("It was not kept.")) }));
  click(all("open-prompt")[0]);
  await settle();
  expect(get("open-failed").textContent).toBe("It was not kept.");
  expect(get("opening")).toBeNull();
});

it("opens what Python wants, once it is there", async () => {
  let hear = () => {};
  let wanted = "";
  await show(source({ wanted: () => wanted, listen: (each) => ((hear = each), () => {}) }));
  wanted = "p4";
  act(() => hear());
  await settle();
  expect(get("opened").dataset.id).toBe("p4");
});

it("stays with the prompt that was clicked while Python still names the one before", async () => {
  let hear = () => {};
  let wanted = "p4";
  await show(source({ wanted: () => wanted, listen: (each) => ((hear = each), () => {}) }));
  click(all("open-prompt")[1]);
  act(() => hear()); // a status: it is at work
  await settle();
  expect(get("opened").dataset.id).toBe("p1");
  wanted = "p1";
  act(() => hear());
  wanted = "p4"; // from a cell
  act(() => hear());
  await settle();
  expect(get("opened").dataset.id).toBe("p4");
});

it("names prompts with their models where several are shown", async () => {
  const study = { ...makeStudy(), models: [...makeStudy().models, { ...makeStudy().models[0], name: "other" }], n_asked: 12 };
  const rows = [makeRows(0, 6), { ...makeRows(0, 6), model: 1 }];
  const from = { ...source({ ...pageSource({ study, rows, kept: [] }, () => () => {}), wanted: () => "other/p2" }) };
  const told: object[] = [];
  await show({ ...from, tell: (names) => void told.push(names) });
  expect(get("opened").dataset.id).toBe("p2");
  expect(el.querySelector<HTMLElement>('[data-open="true"]')?.dataset.row).toBe("8");
  click(get("model-other"));
  expect(el.querySelector('[data-open="true"]')?.textContent).toContain("Text 2");
  await act(() => new Promise((resolve) => setTimeout(resolve, 350)));
  expect((told.at(-1) as StudyTraits).selected[2]).toBe("other/p2");
});

it("tells Python what the groups hold, once the hand rests", async () => {
  const from = source();
  await show(from);
  vi.useFakeTimers();
  click(get("kind-odd"));
  expect(from.told.filter((names) => "selected" in names && (names as StudyTraits).selected.length)).toEqual([]);
  act(() => void vi.advanceTimersByTime(400));
  expect(from.told.at(-1)).toEqual({ selected: ["p1", "p3", "p5"], compared: [] });
});

/** A widget's traits, and answers to what it is asked. */
function widget(answers: (message: Record<string, unknown>) => [object, DataView[]] | null) {
  const traits: Partial<StudyTraits> = { study: makeStudy(), n_portions: 0, n_rows: 0, whole: false, status: { state: "ready", message: "", progress: 0 } as Status, opened: "", explorer: null };
  const listeners = new Map<string, Set<(...about: unknown[]) => void>>();
  const tell = (event: string, ...about: unknown[]) => [...(listeners.get(event) ?? [])].forEach((listener) => listener(...about));
  const model = {
    get: (name: keyof StudyTraits) => traits[name],
    set: (name: keyof StudyTraits, value: never) => void (traits[name] = value),
    save_changes: () => {},
    on: (event: string, listener: () => void) => void listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)),
    off: (event: string, listener: () => void) => void listeners.get(event)?.delete(listener),
    send(message: Record<string, unknown>) {
      const answer = answers(message);
      if (answer) queueMicrotask(() => act(() => tell("msg:custom", { id: message.id, kind: message.kind, ok: true, ...answer[0] }, answer[1])));
    },
  };
  const change = (changes: Partial<StudyTraits>) =>
    act(() => {
      Object.assign(traits, changes);
      for (const name of Object.keys(changes)) tell(`change:${name}`);
    });
  const heard = () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0);
  return { model: model as unknown as StudyModel, change, heard };
}

const apart = (rows: StudyRows): [object, DataView[]] => [
  { rows: { ...rows, arrays: Object.fromEntries(Object.entries(rows.arrays).map(([name, array]) => [name, { ...array, data: null }])) } },
  Object.values(rows.arrays).map(({ data }) => new DataView(data as ArrayBuffer)),
];

it("asks a kernel for portion after portion, and leaves nothing behind", async () => {
  const portions = makePage().rows;
  const { model, change, heard } = widget(({ kind, portion }) => (kind === "rows" ? apart(portions[portion as number]) : null));
  const from = widgetSource(model, {} as Host, () => () => {}, new AbortController().signal);
  await show(from);
  expect(el.textContent).toContain("Reading the study");
  change({ n_portions: 1, n_rows: 2 });
  await settle();
  expect(shown()).toEqual(["p0", "p1"]);
  expect(get("progress").textContent).toContain("2 of 6 prompts so far");
  change({ n_portions: 2, n_rows: 6, whole: true });
  await settle();
  expect(shown().length).toBe(6);
  expect(get("progress").dataset.whole).toBe("true");
  change({ status: { state: "error", message: "points.parquet is damaged.", progress: 0 } as Status });
  expect(get("error").textContent).toBe("points.parquet is damaged.");
  act(() => render(null, el));
  expect(heard()).toBe(0);
});

it("shows the Explorer that a kernel made, and what it refuses", async () => {
  const portions = makePage().rows;
  let refuse = false;
  const { model, change } = widget(({ kind, portion }) => (kind === "rows" ? apart(portions[portion as number]) : refuse ? [{ ok: false, error: "No such model." }, []] : [{}, []]));
  const mount = vi.fn((view: string, place: HTMLElement) => {
    place.textContent = `${view} is live`;
    return () => {};
  });
  const host: Host = { getWidget: async () => ({ exports: { mount } }) };
  await show(widgetSource(model, host, () => () => {}, new AbortController().signal));
  change({ n_portions: 2, n_rows: 6, whole: true, explorer: "anywidget:1" });
  await settle();
  click(all("open-prompt")[0]);
  await settle();
  expect(get("opened").textContent).toContain("Explorer is live");
  refuse = true;
  click(get("open-after"));
  await settle();
  expect(get("open-failed").textContent).toBe("No such model.");
});
