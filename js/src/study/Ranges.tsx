// A box by its numbers, for who has no pointer, or wants them round.
import { short } from "./plots";

type Range = [from: number, to: number];

interface Props {
  testid: string;
  names: string[];
  ranges: Range[];
  /** Whether prompts are filtered by them. */
  filtered: boolean;
  onChange(ranges: Range[] | null): void;
}

export function Ranges({ testid, names, ranges, filtered, onChange }: Props) {
  const change = (axis: number, end: 0 | 1, text: string) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) return;
    onChange(ranges.map((range, index) => (index === axis ? ((end ? [range[0], value] : [value, range[1]]) as Range) : range)));
  };
  return (
    <details class="sw-ranges" data-testid={testid}>
      <summary>{filtered ? "Filtered by these numbers" : "Filter by numbers"}</summary>
      {names.map((name, axis) => (
        <div key={axis} role="group" aria-label={name}>
          <span>{name}</span>
          {([0, 1] as const).map((end) => (
            <label key={end}>
              {end ? "to" : "from"}{" "}
              <input type="text" inputMode="decimal" value={short(ranges[axis][end])} data-testid={`${testid}-${axis}-${end}`} onChange={(event) => change(axis, end, event.currentTarget.value)} />
            </label>
          ))}
        </div>
      ))}
      {filtered && <button type="button" class="sw-quiet" data-testid={`${testid}-clear`} onClick={() => onChange(null)}>Clear</button>}
    </details>
  );
}
