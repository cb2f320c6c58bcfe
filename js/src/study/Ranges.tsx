// A box by its numbers, for who has no pointer, or wants them round.
import { useState } from "preact/hooks";
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
  const change = (axis: number, end: 0 | 1, value: number) =>
    onChange(ranges.map((range, index) => (index === axis ? ((end ? [range[0], value] : [value, range[1]]) as Range) : range)));
  return (
    <details class="sw-ranges" data-testid={testid}>
      <summary>{filtered ? "Filtered by these numbers" : "Filter by numbers"}</summary>
      {names.map((name, axis) => (
        <div key={axis} role="group" aria-label={name}>
          <span>{name}</span>
          {([0, 1] as const).map((end) => (
            <label key={end}>
              {end ? "to" : "from"}{" "}
              <NumberField testid={`${testid}-${axis}-${end}`} value={ranges[axis][end]} onChange={(value) => change(axis, end, value)} />
            </label>
          ))}
        </div>
      ))}
      {filtered && <button type="button" class="sw-quiet" data-testid={`${testid}-clear`} onClick={() => onChange(null)}>Clear</button>}
    </details>
  );
}

const isNumber = (text: string) => text.trim() !== "" && Number.isFinite(Number(text));

interface FieldProps {
  testid: string;
  value: number;
  onChange(value: number): void;
}

function NumberField({ testid, value, onChange }: FieldProps) {
  // What is being typed outlasts everything that is drawn meanwhile: a study may grow.
  const [typed, setTyped] = useState<string | null>(null);
  const finish = (text: string) => {
    if (!isNumber(text)) return;
    setTyped(null);
    onChange(Number(text));
  };
  return (
    <input
      type="text"
      inputMode="decimal"
      data-testid={testid}
      value={typed ?? short(value)}
      aria-invalid={(typed !== null && !isNumber(typed)) || undefined}
      onInput={(event) => setTyped(event.currentTarget.value)}
      onChange={(event) => finish(event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Escape" && setTyped(null)}
      onBlur={() => setTyped(null)}
    />
  );
}
