// How the text of a token is shown: what has no look of its own gets one, and in a list no two tokens look the same.
// strace_widgets/token_text.py is the same for Python; tests/token_texts.json holds both to one behaviour.
import { isDrawn } from "./glyphs";

/** How many of the same character stand side by side before they are counted instead. */
const longestRun = 5;

/** The marks that stand for something else here, and what could be taken for them: as themselves they are spelt out. */
const ownMarks = new Set("·∙⋅‧･ꞏ⏎⇥∅◌");

/** What draws nothing; joiners and selectors of emoji are part of the writing where `joins` says so. */
const unseen = /^[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]$/u;

/** Characters that fonts draw like another one: Cyrillic, Greek, Armenian, other Latin, Arabic of two keyboards, dashes and slashes. */
const drawn = "АВЕКМНОРСТХІЈЅУҮаеорсухіјѕһԁԛԝәΑΒΕΖΗΙΚΜΝΟΡΤΥΧονϳօՕÐƉǝɡیک۰۱۲۳۷۸۹‐−―─∕⁄∶∣ǀ∼∗∖ʼ";
const like = "ABEKMHOPCTXIJSYYaeopcyxijshdqwəABEZHIKMNOPTYXovjoOĐĐəgيك٠١٢٣٧٨٩-–——//:||~*\\’";
const lookAlikes = new Map([...drawn].map((character, index) => [character, [...like][index]]));

/** A token with everything in it visible: spaces at its ends, line breaks, control and direction marks. */
export const visibleToken = (token: string): string => (token === "" ? "∅" : spelt(token, false));

/** The visible texts of the tokens of one list, in which two that differ never look the same. */
export function tokenNames(tokens: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const token of new Set(tokens)) counts.set(look(token), (counts.get(look(token)) ?? 0) + 1);
  return tokens.map((token) => ((counts.get(look(token)) ?? 0) > 1 ? spelt(token, true) : visibleToken(token)));
}

/** The same with its place, counted from 0, behind each name that stands more than once: "of₂". */
export function placedNames(tokens: readonly string[]): string[] {
  const names = tokenNames(tokens);
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return names.map((name, place) => ((counts.get(name) ?? 0) > 1 ? name + subscript(place) : name));
}

const subscript = (place: number): string => String(place).replace(/\d/g, (digit) => String.fromCodePoint(0x2080 + Number(digit)));

/** The same without the spaces at their ends, where these tell no two apart. */
export function spacelessNames(tokens: readonly string[]): string[] {
  const names = tokenNames(tokens);
  const spaceless = names.map((name) => name.replace(/^·+(?!⟨×)|·+$/g, "") || name);
  const stands = new Map<string, Set<string>>();
  names.forEach((name, index) => stands.set(spaceless[index], (stands.get(spaceless[index]) ?? new Set()).add(name)));
  return names.map((name, index) => ((stands.get(spaceless[index])?.size ?? 0) > 1 ? name : spaceless[index]));
}

const bytes = "⟨[0-9A-F]{2}(?: [0-9A-F]{2})*⟩";
const [anywhere, beginning, ending] = [new RegExp(bytes, "g"), new RegExp(`^${bytes}`), new RegExp(`${bytes}$`)];

/** What a token is part of together with its neighbours, where it holds only some bytes of a character; else "". */
export function partOf(tokens: readonly string[], index: number): string {
  if (tokens[index].search(anywhere) < 0) return "";
  const joins = (place: number) => ending.test(tokens[place] ?? "") && beginning.test(tokens[place + 1] ?? "");
  let [first, last] = [index, index];
  while (joins(first - 1)) first--;
  while (joins(last)) last++;
  const joined = tokens.slice(first, last + 1).join("").replaceAll("⟩⟨", " ");
  const decode = (mark: string) => new TextDecoder().decode(Uint8Array.from(mark.slice(1, -1).split(" "), (byte) => parseInt(byte, 16)));
  return joined.replace(anywhere, decode).trim();
}

/**
 * Names for a place of so many columns, which cuts off what is longer. Where two would then look the same they are cut
 * in their middle, and still differ.
 */
export function fitted(names: readonly string[], most: number): string[] {
  const opening = (name: string) => (columns(name) > most ? fitting([...name], most - margin).join("") : name);
  const openings = new Map<string, string[]>();
  for (const name of new Set(names)) openings.set(opening(name), [...(openings.get(opening(name)) ?? []), name]);
  const taken = new Set(names);
  const cut = new Map<string, string>();
  for (const name of [...openings.values()].filter((alike) => alike.length > 1).flat()) {
    if (columns(name) <= most) continue;
    let short = shortened(name, most, "…");
    for (let count = 2; taken.has(short); count++) short = shortened(name, most, `…${count}…`);
    taken.add(short);
    cut.set(name, short);
  }
  return names.map((name) => cut.get(name) ?? name);
}

/** Columns before the end of a place by which a name may be cut off, whatever the type. */
const margin = 3;

/** What a chip has room for. */
export const chipColumns = 12;

/** How many columns a text takes in a monospaced type, in which Chinese, Japanese, Korean and emoji take two. */
export const columns = (text: string): number =>
  [...text].reduce((sum, character) => sum + (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60\u{1f000}-\u{3ffff}]/u.test(character) ? 2 : /\p{M}/u.test(character) ? 0 : 1), 0);

function shortened(name: string, most: number, between: string): string {
  const characters = [...name];
  const room = Math.max(2, most - between.length);
  const begin = fitting(characters, Math.ceil(room / 2));
  const end = fitting([...characters].reverse(), Math.floor(room / 2)).reverse();
  return begin.join("") + between + end.join("");
}

/** The first characters that fit into so many columns. */
function fitting(characters: string[], most: number): string[] {
  let used = 0;
  const end = characters.findIndex((character) => (used += columns(character)) > most);
  return end < 0 ? characters : characters.slice(0, end);
}

/** One text for all tokens that `visibleToken` would make look the same. */
const look = (token: string): string =>
  [...visibleToken(token).normalize("NFKD").replace(/[\u200c\u200d\ufe0e\ufe0f]/g, "")].map((character) => lookAlikes.get(character) ?? character).join("");

function spelt(token: string, inFull: boolean): string {
  const characters = [...token];
  const parts: string[] = [];
  let bare = true; // nothing stands before that a combining mark could sit on
  for (let at = 0; at < characters.length; ) {
    const character = characters[at];
    let length = characters.slice(at).findIndex((other) => other !== character);
    if (length < 0) length = characters.length - at;
    const counted = length > longestRun;
    if (!counted && character !== " ") length = 1;
    const alone: boolean = character === " " && at > 0 && length === 1 && at + 1 < characters.length;
    const shown: string = alone ? " " : mark(characters, at, bare, inFull);
    parts.push(counted ? `${shown}⟨×${length}⟩` : shown.repeat(length));
    bare = counted || shown !== character || character === " ";
    at += length;
  }
  return parts.join("");
}

/** How the character at a place is shown. */
function mark(characters: string[], at: number, bare: boolean, inFull: boolean): string {
  const character = characters[at];
  const simple = ({ " ": "·", "\n": "⏎", "\t": "⇥" } as Record<string, string>)[character];
  if (simple) return isDrawn(simple) ? simple : code(character);
  // Of the marks that stand for part of a character, and for an id.
  if (character === "⟨" || character === "⟩") return /^(U\+|×)/.test(characters.slice(at + 1, at + 3).join("")) ? code(character) : character;
  if (ownMarks.has(character) || (inFull && character > "\x7f")) return code(character);
  if (unseen.test(character) && !joins(characters, at)) return code(character);
  if (!isDrawn(character)) return code(character);
  return bare && /^\p{M}/u.test(character) ? `◌${character}` : character;
}

const code = (character: string): string => `⟨U+${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}⟩`;

/** Whether a joiner or an emoji's selector is part of the writing: of Persian, Hindi and emoji. */
function joins(characters: string[], at: number): boolean {
  const [before, after] = [characters[at - 1] ?? "", characters[at + 1] ?? ""].map((character) => character.codePointAt(0) ?? 0);
  const between = (low: number, high: number) => low <= before && before <= high && low <= after && after <= high;
  if (characters[at] === "\u200c" || characters[at] === "\u200d") return between(0x600, 0x1cff) || between(0x200d, 0x1faff);
  return (characters[at] === "\ufe0e" || characters[at] === "\ufe0f") && before >= 0x200d;
}
