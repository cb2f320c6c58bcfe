// From numbers and tokens to what is drawn: the size axis, shades of one hue, and text.
import { rgb } from "d3-color";
import { interpolateRgbBasis } from "d3-interpolate";

export type Theme = "light" | "dark";

const shades = 33;
const faintest = 5;
const ramps: Record<Theme, readonly string[]> = {
  light: ramp(["#eef2f6", "#c3daf1", "#85b4e4", "#3d82cc", "#12559f", "#082c5e"]),
  dark: ramp(["#1e2731", "#1d3d5f", "#245f9b", "#3f8bdb", "#83bdf7", "#dcedff"]),
};

/** What is lost, in the same steps. */
const losses: Record<Theme, readonly string[]> = {
  light: ramp(["#eef2f6", "#f8dcc6", "#efab78", "#d77431", "#a64d10", "#5e2803"]),
  dark: ramp(["#1e2731", "#4b311f", "#8a4e22", "#cf722f", "#ffa668", "#ffe4d0"]),
};

function ramp(colours: string[]): string[] {
  const interpolate = interpolateRgbBasis(colours);
  return Array.from({ length: shades }, (_, index) => rgb(interpolate(index / (shades - 1))).formatHex());
}

/** The shade of a share: pale to deep on a light page, dark to bright on a dark one. */
export const shade = (theme: Theme, share: number): string => ramps[theme][shadeIndex(share)];

/**
 * Shares are shown in few steps, so that a small change of size leaves most of the picture untouched.
 * A single edge already stands out from none: at small sizes that is the picture.
 */
export const shadeIndex = (share: number): number =>
  share <= 0 ? 0 : Math.round(faintest + Math.min(1, share) * (shades - 1 - faintest));

/** The shade of an amount from 0 to 1, of which a trace is nothing that has to stand out. */
export const amountIndex = (part: number): number => Math.round(Math.max(0, Math.min(1, part)) * (shades - 1));

/** The shade of a part from -1 to 1: of what is lost behind those of amounts. */
export const signedIndex = (part: number): number => (part < 0 ? shades + amountIndex(-part) : amountIndex(part));

/** The shade of what is not known. */
export const unknownShade = 255;

/** The whole ramp, for a legend; signed, from the deepest loss to the deepest gain. */
export const rampGradient = (theme: Theme, signed = false): string =>
  `linear-gradient(to right, ${[...(signed ? [...losses[theme]].reverse() : []), ...ramps[theme]].join()})`;

/** Empty for what is not known. */
export const shadeAt = (theme: Theme, index: number): string => {
  if (index === unknownShade) return "";
  return index < shades ? ramps[theme][index] : losses[theme][index - shades];
};

/** The ramp as red, green, blue and alpha bytes. */
export const rampBytes = (theme: Theme): Uint8ClampedArray =>
  Uint8ClampedArray.from(ramps[theme].flatMap((colour) => [rgb(colour).r, rgb(colour).g, rgb(colour).b, 255]));

const minus = "\u2212";
const whole = new Intl.NumberFormat("en-US");
const compact = new Intl.NumberFormat("en-US", { notation: "compact" });
const three = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
const two = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 2 });

export const formatCount = (count: number): string => whole.format(count);
/** "+1,204" or "−41". */
export const formatDifference = (count: number): string => (count < 0 ? minus : "+") + whole.format(Math.abs(count));
export const formatShare = (share: number): string => `${Math.round(100 * share)}%`;
/** 0.278, 0.0123, 0.000079. */
export const formatSize = (size: number): string => (size < 0.001 ? two : three).format(size);
export const compactCount = (count: number): string => compact.format(count).replace("K", "k");

export function formatProbability(probability: number): string {
  if (probability > 0 && probability < 0.0005) return "<0.001";
  return probability.toFixed(probability < 0.0995 ? 3 : 2);
}

/** A distance in [0, 1] or nats. */
export const formatDistance = (distance: number): string => (Number.isFinite(distance) ? distance.toFixed(distance < 9.995 ? 3 : 1) : "∞");

/** "+0.014", "−0.012" with a real minus sign, "0" where nothing shows. */
export function formatChange(change: number): string {
  const digits = Math.abs(change).toFixed(3);
  if (Number(digits) === 0) return "0";
  return (change > 0 ? "+" : minus) + digits;
}

/** A share that may lie below 0 or above 1: "0.83", "−0.12"; "–" where there is none. */
export function formatFaithfulness(share: number | null | undefined): string {
  if (share == null || Number.isNaN(share)) return "–";
  const digits = Math.abs(share).toFixed(2);
  return share < 0 && Number(digits) !== 0 ? minus + digits : digits;
}

/** "+1.04", "−2.36" in nats; "0.00" where nothing shows. */
export function formatSigned(change: number): string {
  if (!Number.isFinite(change)) return change < 0 ? `${minus}∞` : "+∞";
  const digits = Math.abs(change).toFixed(2);
  return Number(digits) === 0 ? digits : (change > 0 ? "+" : minus) + digits;
}
