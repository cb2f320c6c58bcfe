import { figureName } from "../logic/question";
import { formatCount, formatDifference, formatDistance, formatFaithfulness, formatSigned, formatSize } from "../logic/scales";
import type { Question } from "../protocol/types";
import type { ViewProps } from "./props";

const stateNotes = {
  exact: "these numbers were computed for exactly this subgraph",
  interpolated: "read between two computed levels",
  stale: "computed before the last change",
};

/** The numbers of the present subgraph, and how far they can be trusted. */
export function ReadingLine({ viewState, shown: { size, reading, kernel }, status }: ViewProps) {
  // A notebook that was saved while it evaluated says so for ever.
  const running = status.state === "running" && kernel !== "silent";
  // Numbers that were computed, and those after a trace that failed, are as good as they were.
  const failed = status.state === "error" && (status.kind ?? "evaluate") === "evaluate" && reading.state !== "exact";
  const all = formatCount(viewState.n_edges);
  return (
    <div class="sw-reading" data-state={reading.state}>
      <span class="sw-size" data-testid="size">
        s = {formatSize(size.nEdges / viewState.n_edges)}
      </span>
      <span class="sw-number" data-testid="edges" data-edges={reading.edges_kept} style={{ minWidth: `${2 * all.length + 7}ch` }}>
        <b>{formatCount(reading.edges_kept)}</b> of {all} edges
        {reading.edgesToggled !== 0 && <span class="sw-loss" title="put in or taken out by toggles"> ({formatDifference(reading.edgesToggled)})</span>}
      </span>
      {viewState.question && viewState.question.target.length > 0 && <Faithfulness question={viewState.question} share={reading.faithfulness} />}
      <span class="sw-number" title="Total variation between the two next-token distributions">
        TV <b data-testid="tv">{formatDistance(reading.total_variation)}</b>
      </span>
      <span class="sw-number" title="Kullback-Leibler divergence in nats">
        KL <b>{formatDistance(reading.kl ?? Infinity)}</b>
      </span>
      <span class="sw-number" title="Recovered nucleus: the largest one whose tokens the subgraph puts first as well">
        nucleus <b>{reading.nucleus > 0 ? `${Math.round(100 * reading.nucleus)} %` : "none"}</b>
      </span>
      <span class="sw-number" data-testid="top1" data-agrees={reading.top1}>
        top-1 <b class={reading.top1 ? "sw-gain" : "sw-loss"}>{reading.top1 ? "✓ agrees" : "✗ differs"}</b>
      </span>
      <span class="sw-pill" data-testid="state" data-state={reading.state} data-running={running} title={stateNotes[reading.state]}>
        <span class="sw-pill-mark" aria-hidden="true" />
        {reading.state}
        {running && !status.message && <span class="sw-pill-running">evaluating</span>}
        {failed && <b class="sw-loss">failed</b>}
      </span>
    </div>
  );
}

/** How much of the target's figure the subgraph has. */
function Faithfulness({ question, share }: { question: Question; share: number | null | undefined }) {
  const { full_figure: full, empty_figure: empty } = question;
  const ends = full === null || empty === null ? "" : `: ${formatSigned(full)} in the full model, ${formatSigned(empty)} without an edge`;
  return (
    <span class="sw-number" data-testid="faithfulness" data-share={share} title={`Faithfulness: (m − m(∅)) / (m(full) − m(∅)) of the figure m, in nats${ends}`}>
      f = <b>{formatFaithfulness(share)}</b> of {question.foil.length > 0 && <span class="sw-figure-kind">the logit difference </span>}<bdi>{figureName(question)}</bdi>
    </span>
  );
}
