import { act } from "preact/test-utils";
import axe from "axe-core";
import { hsl } from "d3-color";
import { afterEach, describe, expect, it } from "vitest";
import { colourNames, freshGroup, groupColours, groupState, nameFault, shapeNames, typedMembers } from "../src/logic/groups";
import type { Group } from "../src/protocol/types";
import { makeEffects } from "./fixture";
import { clear, click, enter, press, settle, show, type View } from "./render";

const movers: Group = { name: "name movers", colour: "red", members: ["1.0", "2.mlp"] };
const model = { n_layers: 3, n_heads: 2 };
const cell = (view: View, key: string) => view.find(`.sw-cell[data-component="${key}"]`);
const chip = (view: View, place = 0) => view.el.querySelectorAll<HTMLElement>('[data-testid="group-chip"]')[place];
const opener = (view: View, place = 0) => chip(view, place).querySelector<HTMLElement>("[aria-expanded]")!;
const lit = (view: View) => [...view.el.querySelectorAll<HTMLElement>('.sw-cell[data-picked="true"]')].map(({ dataset }) => dataset.component);

afterEach(clear);

describe("groups", () => {
  it("have a colour and a shape that no other has", () => {
    expect(new Set(Object.values(groupColours)).size).toBe(colourNames.length);
    expect(new Set(Object.values(shapeNames)).size).toBe(colourNames.length);
    for (const colour of Object.values(groupColours)) expect(hsl(colour).s).toBeGreaterThan(0.2);
  });

  it("begin with a free name, and a colour that the fewest have", () => {
    const groups: Group[] = [];
    for (let count = 0; count < 7; count += 1) groups.push(freshGroup(groups, ["2.mlp", "1.0", "1.0"]));
    expect(groups.map(({ colour }) => colour)).toEqual([...colourNames, colourNames[0]]);
    expect(groups[0]).toEqual({ name: "Group 1", colour: "blue", members: ["1.0", "2.mlp"] });
    expect(freshGroup([{ ...groups[0], name: "Group 2" }], []).name).toBe("Group 3");
  });

  it("are switched where all members are", () => {
    expect(groupState({}, movers.members)).toBe("auto");
    expect(groupState({ "1.0": "off" }, movers.members)).toBe("mixed");
    expect(groupState({ "1.0": "off", "2.mlp": "off" }, movers.members)).toBe("off");
    expect(groupState({}, [])).toBe("auto");
  });

  it("take members as they are typed, and hand back what is none", () => {
    expect(typedMembers(" 1.0, 2.MLP;1 ", model).members).toEqual(["1.0", "2.mlp", "1.0", "1.1", "1.mlp"]);
    expect(typedMembers("3.0 1.2 x 1.0@2 -1", model)).toEqual({ members: [], wrong: ["3.0", "1.2", "x", "1.0@2", "-1"] });
  });

  it.each([["", "1 to 60"], ["x".repeat(61), "1 to 60"], ["a\nb", "one line"], [" taken ", "Another"], ["fine 🍕", ""]])("the name %j: %j", (name, fault) => {
    expect(nameFault(name, ["taken"])).toContain(fault);
  });
});

describe("in the card", () => {
  it("naming is undone and redone as other edits are", () => {
    const view = show();
    const undo = (shiftKey = false) => act(() => void cell(view, "1.0").dispatchEvent(new KeyboardEvent("keydown", { key: "z", ctrlKey: true, shiftKey, bubbles: true, cancelable: true })));
    act(() => cell(view, "1.0").focus());
    click(view.get("name-node"));
    enter(view.get<HTMLInputElement>("group-name"), "name movers");
    press(view.get("group-name"), "Enter");
    click(opener(view));
    click(view.get("group-remove"));
    expect(view.model.get("groups")).toEqual([]);
    const names = () => view.model.get("groups").map(({ name }) => name);
    undo();
    expect(names()).toEqual(["name movers"]);
    undo();
    expect(names()).toEqual(["Group 1"]);
    undo();
    expect(names()).toEqual([]);
    undo(true);
    undo(true);
    expect(names()).toEqual(["name movers"]);
  });

  it("a head is named from its detail, and renamed at once", async () => {
    const view = show();
    act(() => cell(view, "1.0").focus());
    click(view.get("name-node"));
    expect(view.model.get("groups")).toEqual([{ name: "Group 1", colour: "blue", members: ["1.0"] }]);
    const field = view.get<HTMLInputElement>("group-name");
    expect(document.activeElement).toBe(field);
    enter(field, "<b>name movers</b>");
    press(field, "Enter");
    await settle();
    expect(view.model.get("groups")[0].name).toBe("<b>name movers</b>");
    expect(chip(view).querySelector("bdi")!.textContent).toBe("<b>name movers</b>");
    expect(view.seek("group-editor")).toBeNull();
    expect(document.activeElement).toBe(opener(view));
    expect(cell(view, "1.0").getAttribute("aria-label")).toContain("in <b>name movers</b>");
    expect(cell(view, "1.0").querySelector(".sw-group-mark")).not.toBeNull();
    expect(cell(view, "1.1").querySelector(".sw-group-mark")).toBeNull();
  });

  it("another head goes into it and out again, by its detail", () => {
    const view = show({ groups: [movers] });
    act(() => cell(view, "0.1").focus());
    const button = () => view.get("node-groups").querySelector("button")!;
    expect(button().getAttribute("aria-pressed")).toBe("false");
    click(button());
    expect(view.model.get("groups")[0].members).toEqual(["0.1", "1.0", "2.mlp"]);
    expect(button().getAttribute("aria-pressed")).toBe("true");
    click(button());
    expect(view.model.get("groups")[0].members).toEqual(movers.members);
  });

  it("all members are switched as one", () => {
    const view = show({ groups: [movers] });
    const seen = [0, 1, 2].map(() => {
      click(view.get("group-toggle"));
      return { ...view.model.get("toggles") };
    });
    expect(seen).toEqual([{ "1.0": "off", "2.mlp": "off" }, { "1.0": "on", "2.mlp": "on" }, {}]);
  });

  it("nothing is switched where nothing can be", () => {
    const view = show({ groups: [movers], live: false });
    expect(view.seek("group-toggle")).toBeNull();
    const switched = show({ groups: [movers], live: false, toggles: { "1.0": "off" } });
    click(switched.get("group-toggle"));
    expect(switched.get("group-toggle").textContent).toBe("mixed");
    expect(switched.model.get("toggles")).toEqual({ "1.0": "off" });
  });

  it("the pointer and the focus light up the members", () => {
    const view = show({ groups: [movers] });
    act(() => void chip(view).dispatchEvent(new MouseEvent("pointerenter")));
    expect(lit(view).sort()).toEqual(movers.members);
    act(() => void chip(view).dispatchEvent(new MouseEvent("pointerleave")));
    expect(lit(view)).toEqual([]);
    act(() => opener(view).focus());
    expect(lit(view).sort()).toEqual(movers.members);
    act(() => opener(view).blur());
    expect(lit(view)).toEqual([]);
  });

  it("is renamed, recoloured, filled, emptied and removed", () => {
    const view = show({ groups: [movers, { name: "others", colour: "blue", members: [] }] });
    click(opener(view));
    const name = view.get<HTMLInputElement>("group-name");
    enter(name, "others");
    press(name, "Enter");
    expect(view.get("group-editor").textContent).toContain("Another group has this name");
    expect(view.model.get("groups")[0].name).toBe("name movers");
    click(view.find('.sw-group-colours [aria-label^="violet"]'));
    enter(view.get<HTMLInputElement>("group-members"), "0.1 9.9");
    act(() => void view.find(".sw-group-add").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true })));
    expect(view.get("group-editor").textContent).toContain("The model has no 9.9");
    click(view.find('[aria-label="Take Head 1.0 out"]'));
    expect(view.model.get("groups")[0]).toEqual({ name: "name movers", colour: "violet", members: ["0.1", "2.mlp"] });
    press(view.get("group-editor"), "Escape");
    expect(view.seek("group-editor")).toBeNull();
    click(opener(view));
    click(view.get("group-remove"));
    expect(view.model.get("groups").map((group) => group.name)).toEqual(["others"]);
  });

  it("what is picked out in the scatter gets a name, or joins a group", () => {
    const view = show({ live: false, effects: makeEffects(), n_edges: 20, groups: [{ ...movers, members: [] }] });
    const pick = view.get<HTMLButtonElement>("pick-vital").disabled ? "pick-idle" : "pick-vital";
    click(view.get(pick));
    const members = lit(view).sort();
    click(opener(view));
    click(view.get("group-add-picked"));
    click(view.get("name-picked"));
    expect(view.model.get("groups").map((group) => [...group.members].sort())).toEqual([members, members]);
  });

  it("a note is kept as it was written, and is text", () => {
    const view = show();
    click(view.get("note-edit"));
    const field = view.get<HTMLTextAreaElement>("note-field");
    expect([document.activeElement, field.maxLength]).toEqual([field, 2000]);
    enter(field, "<img src=x onerror=alert(1)>\nsecond");
    press(field, "Enter", { ctrlKey: true });
    expect(view.model.get("note")).toBe("<img src=x onerror=alert(1)>\nsecond");
    expect(view.get("note").textContent).toBe(view.model.get("note"));
    expect(view.get("groups").querySelector("img")).toBeNull();
    click(view.get("note-edit"));
    enter(view.get<HTMLTextAreaElement>("note-field"), "other");
    press(view.get("note-field"), "Escape");
    expect(view.model.get("note")).toContain("second");
  });

  it("passes axe, open and closed", async () => {
    const view = show({ groups: [movers, { name: "others", colour: "blue", members: [] }], note: "seen in the paper" });
    click(opener(view));
    const { violations } = await axe.run(view.el, { rules: { "color-contrast": { enabled: false }, region: { enabled: false } } });
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });
});
