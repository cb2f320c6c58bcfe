// Lines through points in pixels, as the `d` of a path; none for none.
export type Point = [x: number, y: number];

const fixed = (number: number): string => String(Number(number.toFixed(2)));
const through = (points: readonly Point[]): string => points.map(([x, y]) => `${fixed(x)},${fixed(y)}`).join("L");

export const polyline = (points: readonly Point[]): string | undefined => (points.length > 0 ? `M${through(points)}` : undefined);

/** What lies between two lines, the second led back. */
export const between = (upper: readonly Point[], lower: readonly Point[]): string | undefined =>
  upper.length > 0 ? `M${through(upper)}L${through([...lower].reverse())}Z` : undefined;
