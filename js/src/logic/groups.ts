// Heads and MLPs that a person has given a name.
import { schemeCategory10, schemeDark2, schemeObservable10, schemeSet1, schemeTableau10 } from "d3-scale-chromatic";
import type { Colour, Group, Toggles, ViewState } from "../protocol/types";
import { byPlace, headKey, mlpKey, parseName, toggleState, type ToggleState } from "./toggles";

/**
 * Of five schemes those six that keep three to one with a light and a dark page, and are the farthest from each other however
 * eyes see colours: at least 19 apart in CIELAB for each simulated deficiency. The style sheet gives each a shape besides.
 */
export const groupColours: Record<Colour, string> = {
  blue: schemeObservable10[0],
  red: schemeSet1[0],
  green: schemeTableau10[4],
  violet: schemeDark2[2],
  brown: schemeCategory10[5],
  mauve: schemeTableau10[6],
};
export const colourNames = Object.keys(groupColours) as Colour[];
export const shapeNames: Record<Colour, string> = { blue: "circle", red: "square", green: "triangle", violet: "diamond", brown: "cross", mauve: "triangle upside down" };

/** As in strace_widgets/explorer/groups.py. */
export const longestName = 60;
export const longestNote = 2000;
export const mostGroups = 100;
const broken = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;

/** The groups of each member. */
export function groupsByMember(groups: readonly Group[]): ReadonlyMap<string, Group[]> {
  const found = new Map<string, Group[]>();
  for (const group of groups) for (const member of group.members) found.set(member, [...(found.get(member) ?? []), group]);
  return found;
}

/** Members in the order of the layers, each once. */
export const inOrder = (members: readonly string[]): string[] => [...new Set(members)].sort(byPlace);

/** A group with the next free name, in the first of the colours that the fewest have. */
export function freshGroup(groups: readonly Group[], members: readonly string[]): Group {
  const taken = (colour: Colour) => groups.filter((group) => group.colour === colour).length;
  const colour = colourNames.reduce((best, each) => (taken(each) < taken(best) ? each : best));
  let number = groups.length + 1;
  while (groups.some(({ name }) => name === `Group ${number}`)) number += 1;
  return { name: `Group ${number}`, colour, members: inOrder(members) };
}

/** What all members share, or "mixed"; without members, "auto". */
export function groupState(toggles: Toggles, members: readonly string[]): ToggleState | "mixed" {
  const states = new Set(members.map((member) => toggleState(toggles, member)));
  return states.size > 1 ? "mixed" : ([...states][0] ?? "auto");
}

/** The next state of all: auto → off → on. */
export const afterState = (state: ToggleState | "mixed"): ToggleState => (state === "off" ? "on" : state === "on" ? "auto" : "off");

/** Why a name will not do, or "". */
export function nameFault(name: string, others: readonly string[]): string {
  const text = name.trim();
  if (text === "" || text.length > longestName || broken.test(text)) return `A name has 1 to ${longestName} characters, on one line.`;
  return others.includes(text) ? "Another group has this name." : "";
}

/** What is typed as members: "9.6, 9.mlp"; whole layers too. What is none is handed back. */
export function typedMembers(text: string, { n_layers, n_heads }: Pick<ViewState, "n_layers" | "n_heads">): { members: string[]; wrong: string[] } {
  const members: string[] = [];
  const wrong: string[] = [];
  for (const word of text.split(/[\s,;]+/).filter(Boolean)) {
    const [, layer, , part] = /^(\d+)(\.(\d+|mlp))?$/i.exec(word) ?? [];
    const fits = layer !== undefined && Number(layer) < n_layers;
    if (fits && part === undefined) members.push(...Array.from({ length: n_heads }, (_, head) => headKey(Number(layer), head)), mlpKey(Number(layer)));
    else if (fits && part.toLowerCase() === "mlp") members.push(mlpKey(Number(layer)));
    else if (fits && Number(part) < n_heads) members.push(headKey(Number(layer), Number(part)));
    else wrong.push(word);
  }
  return { members, wrong };
}

/** Whether what a file holds are groups of this model. */
export function isGroups(value: unknown, viewState: ViewState): value is Group[] {
  if (!Array.isArray(value) || value.length > mostGroups) return false;
  const names: string[] = [];
  return value.every((group: Partial<Group> | null) => {
    if (typeof group !== "object" || group === null) return false;
    const { name, colour, members } = group;
    if (typeof name !== "string" || nameFault(name, names) !== "") return false;
    names.push(name.trim());
    return colourNames.includes(colour as Colour) && Array.isArray(members) && members.every((member) => isMember(member, viewState));
  });
}

function isMember(member: unknown, { n_layers, n_heads }: ViewState): boolean {
  const named = typeof member === "string" ? parseName(member) : null;
  if (!named || named.target !== null || named.layer >= n_layers) return false;
  return named.part === "mlp" || (typeof named.part === "number" && named.part < n_heads);
}
