// Which characters the fonts at hand can draw. All others look like the same box.

const side = 24; // px
const drawn = new Map<string, boolean>();
const context = typeof OffscreenCanvas === "undefined" ? null : new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
let box: string | undefined;

/** Whether a character has a picture of its own; true where that cannot be found out. */
export function isDrawn(character: string): boolean {
  if (!context || character <= "\x7f") return true;
  let known = drawn.get(character);
  if (known === undefined) {
    box ??= pixels("\u{10fffd}"); // for private use: it has none
    drawn.set(character, (known = /[\p{M}\p{C}\p{Z}]/u.test(character) || pixels(character) !== box));
  }
  return known;
}

function pixels(character: string): string {
  if (!context) return character;
  context.clearRect(0, 0, side, side);
  context.font = "16px monospace";
  context.fillText(character, 2, 18);
  return context.getImageData(0, 0, side, side).data.join();
}
