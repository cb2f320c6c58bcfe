import { useEffect, useRef, useState } from "preact/hooks";
import { counterpartOf, curveName } from "../logic/curves";
import type { Choices, Curve } from "../protocol/types";
import type { ViewProps } from "./props";

interface Props extends Pick<ViewProps, "viewState" | "conversation"> {
  choices: Choices;
  curves: readonly Curve[];
}

const baselines = ["inverse", "random"];

/** Which other measures and baselines to draw; where no other measure is, one that is worth it at once. */
export function CompareMeasures({ viewState, choices, curves, conversation }: Props) {
  const waiting = conversation.asking !== null;
  const drawn = curves.map(({ name }) => name);
  const [chosen, setChosen] = useState(drawn);
  const details = useRef<HTMLDetailsElement>(null);
  // Python clears them with another trace.
  useEffect(() => setChosen(drawn), [curves]);
  const names = [...choices.importance.filter((name) => name !== viewState.importance), ...baselines];
  const choose = (name: string) => setChosen(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name]);
  const same = chosen.length === drawn.length && chosen.every((name) => drawn.includes(name));
  // Not a state: the browser tells of an opening only later, after a key that is meant to close it.
  const fold = () => details.current?.removeAttribute("open");
  const close = () => {
    fold();
    details.current?.querySelector("summary")?.focus();
  };
  const ask = (wanted: string[]) => void conversation.request("compare", { names: names.filter((name) => wanted.includes(name)) });
  const draw = () => {
    close();
    ask(chosen);
  };
  const counterpart = curves.some(({ kind }) => kind === "measure") ? undefined : counterpartOf(viewState.importance, choices.importance);
  const pressKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !details.current?.open) return;
    event.stopPropagation();
    close();
  };
  return (
    <>
      {counterpart && (
        <button
          type="button"
          class="sw-quiet"
          data-testid="counterpart"
          title={`Draws the curve of ${counterpart} over this one`}
          disabled={waiting}
          onClick={() => ask([...drawn, counterpart])}
        >
          vs {counterpart}
        </button>
      )}
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
    </>
  );
}
