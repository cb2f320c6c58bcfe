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

/** The whole ramp, for a legend. */
export const rampGradient = (theme: Theme): string => `linear-gradient(to right, ${ramps[theme].join()})`;

export const shadeAt = (theme: Theme, index: number): string => ramps[theme][index];

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
