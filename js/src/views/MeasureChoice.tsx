import { useEffect, useRef, useState } from "preact/hooks";
import { curveName } from "../logic/curves";

interface Props {
  names: string[];
  /** Those on the plot now; Python clears them with another trace. */
  drawn: string[];
  waiting: boolean;
  onDraw(chosen: string[]): void;
}

/** A list that folds out to choose from, and away with Escape, with the focus, and once it is drawn. */
export function MeasureChoice({ names, drawn, waiting, onDraw }: Props) {
  const [chosen, setChosen] = useState(drawn);
  useEffect(() => setChosen(drawn), [drawn]);
  const choose = (name: string) => setChosen(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name]);
  const same = chosen.length === drawn.length && chosen.every((name) => drawn.includes(name));

  const details = useRef<HTMLDetailsElement>(null);
  // Not a state: the browser tells of an opening only later, after a key that is meant to close it.
  const fold = () => details.current?.removeAttribute("open");
  const close = () => {
    fold();
    details.current?.querySelector("summary")?.focus();
  };
  const pressKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !details.current?.open) return;
    event.stopPropagation();
    close();
  };
  const draw = () => {
    close();
    onDraw(chosen);
  };
  return (
    <details
      ref={details}
      class="sw-measures"
      onKeyDown={pressKey}
      onFocusOut={(event) => !event.currentTarget.contains(event.relatedTarget as Node | null) && fold()}
    >
      <summary class="sw-quiet" data-testid="compare-measures">
        Compare measures
      </summary>
      <div tabIndex={-1}>
        <ul>
          {names.map((name) => (
            <li key={name}>
              <label>
                <input type="checkbox" data-testid={`measure-${name}`} checked={chosen.includes(name)} onChange={() => choose(name)} />
                {curveName(name)}
              </label>
            </li>
          ))}
        </ul>
        <button type="button" class="sw-button" data-testid="draw-measures" disabled={waiting || same} onClick={draw}>
          {waiting ? "At work" : "Draw"}
        </button>
      </div>
    </details>
  );
}
