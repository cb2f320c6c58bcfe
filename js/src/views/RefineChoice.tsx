import { useState } from "preact/hooks";

interface Props {
  /** Whether the present trace was refined already. */
  refined: boolean;
  onRefine(passes: number): void;
}

/** What refining may take, in forward passes of the prompt. */
const budgets = [13, 30, 100];

/** Looks for a better trace than the present one, as long as it may. */
export function RefineChoice({ refined, onRefine }: Props) {
  const [passes, setPasses] = useState(budgets[0]);
  return (
    <span class="sw-refine">
      <button
        type="button"
        class="sw-button"
        data-testid="refine"
        title="Looks for an order of the edges whose subgraphs rebuild the prediction better. Each improvement is shown; cancelling keeps the best."
        onClick={() => onRefine(passes)}
      >
        {refined ? "Refine further" : "Refine"}
      </button>
      <span class="sw-choice">
        <select data-testid="passes" aria-label="What refining may take" value={passes} onChange={(event) => setPasses(Number(event.currentTarget.value))}>
          {budgets.map((budget) => (
            <option key={budget} value={budget}>
              {budget} passes
            </option>
          ))}
        </select>
      </span>
    </span>
  );
}
