"""Refine a trace: correct its weights, again and again, by what each edge gains the trace's own subgraphs.

Subgraphs of a few sizes in the bend of the curve run as rows of one batch, forward and backward, and show at once how
far their predictions are and what each edge gains them. So an improvement is known by the next step, and the best
order seen is kept: refining can be stopped at any time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import NoGradientsError
from ..graph.order import best_first
from ..graph.refining import (
    STARTS,
    Learner,
    Refined,
    Refinement,
    as_edges,
    component_of,
    effects,
    from_the_top,
    inside,
    late_elsewhere,
    quantiles,
)
from ..waiting import say, saying, silent
from . import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..graph.edges import Array
    from ..graph.modes import Modes
    from .strace import STrace

CAPTURE_COST, WIDE_COST, STEP_COST, CHECK_COST = 1.3, 4.7, 3.8, 2.3
"""What weighing all edges, a wide step, another step, and a last look at some subgraphs take, in forward passes of the
same prompt."""

WIDE_STEPS = 2
"""How many first steps look at twice as many sizes: in a batch of a short prompt they cost little more."""

TOKENS_A_BATCH = 40
"""How many tokens all rows of a batch have together: up to about as many, a row more costs less than a pass more."""

SIZES = {1: (0.3,), 2: (0.15, 0.4), 3: (0.1, 0.2, 0.4), 4: (0.1, 0.2, 0.35, 0.55)}
"""The sizes of the subgraphs, by how many a batch holds."""

STEP, SHRINKS = 0.8, 0.9
"""The first step, in quantiles, and how the next ones shrink."""

LATE = 0.2
"""By how many quantiles the deepest edges into tokens before the last are lowered at first."""

BETWEEN = 0.72
"""What the sizes are multiplied by to lie between themselves."""

FAR_STEPS = 8
"""How many steps of that kind there are, in all refinements of a trace."""

ROWS_A_PASS = 3
"""How many rows of a large batch take as long as a pass, on short prompts."""

MOVE, MOVES = 0.08, (0.5, 1, 2)
"""Without gradients: by how many quantiles components are moved in random directions, and which multiples of that are
tried in the direction that helps."""

HARM = -0.35
"""An edge that harms subgraphs counts as one that gains them this much less: it moves the prediction, and larger
subgraphs need it."""


def sizes_looked_at(n_tokens: int) -> tuple[float, ...]:
    """Return the sizes of the subgraphs that are run for a prompt of some length."""
    return SIZES[min(max(SIZES), max(1, TOKENS_A_BATCH // n_tokens))]


def n_steps(passes: float, taken: int = 0) -> int:
    """Return how many steps a budget suffices for, after so many that were taken."""
    left, steps = passes - CHECK_COST + 1e-6, 0  # sums of costs round
    while (left := left - _cost(taken + steps)) >= 0:
        steps += 1
    return steps


def passes_for(steps: int, taken: int = 0) -> int:
    """Return the least whole budget that suffices for so many steps, after so many that were taken."""
    return math.ceil(CHECK_COST + sum(_cost(taken + step) for step in range(steps)))


def _cost(taken: int) -> float:
    return WIDE_COST if taken < WIDE_STEPS else STEP_COST


def looks(n_tokens: int, passes: float) -> Iterator[tuple[int, int]]:
    """Yield of each look of the measure ``"refined"`` the number of subgraphs, and of gains that come back: 1 or 0."""
    sizes = len(sizes_looked_at(n_tokens))
    for step in range(n_steps(passes)):
        yield sizes * (2 if step < WIDE_STEPS else 1), 1
    yield sizes * (1 + len(STARTS)), 0


def steps_taken(trace: STrace) -> int:
    """Return how many steps have led to a trace."""
    how, taken = trace.refined or Refined(start=trace.importance), 0
    for number, each in enumerate(how.refinements):
        weighed = 0 if number or how.start else CAPTURE_COST
        taken += n_steps(each.passes - weighed, taken) if each.gradients else 0
    return taken


def area(trace: STrace) -> float:
    """Return the area over s under the total variation that refining has measured: from 1 at s = 0 to 0 at s = 1."""
    far = trace.refined.total_variation if trace.refined else ()
    return metrics.area(np.array([0, *sizes_looked_at(len(trace.tokens)), 1]), np.array([1, *far, 0]), "s")


def refined(
    trace: STrace, passes: float, modes: Modes, *, gradients: bool | None = None, progress: bool = True
) -> STrace:
    """Return what refining a trace has found: see `strace_widgets.STrace.refine`."""
    if gradients is None:
        try:
            return refined(trace, passes, modes, gradients=True, progress=progress)
        except NoGradientsError:
            return refined(trace, passes, modes, gradients=False, progress=progress)
    taken = steps_taken(trace)
    if not n_steps(passes, taken):
        least = passes_for(1, taken)
        raise ValueError(f"A step of refining takes about {least} forward passes: passes={passes!r} is too few.")
    before = trace.refined or Refined(start=trace.importance)
    with saying("refining") if progress else silent():
        if not gradients:
            return as_refined(perturbed(trace, passes, modes), passes, modes, before, gradients=False)
        *_, best = refinement(trace, passes, modes)
    return as_refined(best, passes, modes, before)


def refinement(trace: STrace, passes: float, modes: Modes, rivals: Sequence[STrace] = ()) -> Iterator[STrace]:
    """Yield the best trace seen after each step, while the budget lasts; at least once.

    Parameters
    ----------
    trace : STrace
    passes : float
        The budget, in forward passes.
    modes : Modes
        How subgraphs are run.
    rivals : traces of the prompt, optional
        That the result must not be worse than. Without them it is no worse than the trace itself, at which the first
        step then looks; with them that begins with late edges lowered already.
    """
    from ..model.subgraph_gains import subgraph_errors  # noqa: PLC0415 - needs torch

    steps, best = _Steps.of(trace, modes, itself=not rivals), None
    total = n_steps(passes, steps.taken)
    for done in range(total):
        say(f"refining: step {done + 1} of {total + 1}")
        current, far = steps.take()
        best = better(seen(current, far), best) if far is not None else best or trace
        yield best
    sizes = sizes_looked_at(len(trace.tokens))
    last = [steps.current, *rivals]
    masks = [each.mask(size) for each in last for size in sizes]
    errors = subgraph_errors(trace.model, trace.token_ids, masks, trace.full_logits, modes)
    for each, own in zip(last, np.split(errors, len(last)), strict=True):
        best = better(seen(each, own), best)
    yield best or trace


@dataclass
class _Steps:
    """Where a refinement stands.

    The first steps move far: what subgraphs gain or lose by an edge is added to its quantile. When they have come as
    far as such steps do, an order is learned by many small ones. What a step does depends on those before it alone, so
    that a refinement that was stopped is one of a smaller budget.

    Attributes
    ----------
    current : STrace
        The order that the next step looks at.
    weights : (E,) float32
    taken : int
        Steps taken, those of earlier refinements included.
    """

    current: STrace
    modes: Modes
    weights: Array
    taken: int
    learner: Learner | None = None

    @classmethod
    def of(cls, trace: STrace, modes: Modes, *, itself: bool) -> _Steps:
        """Return where a refinement of a trace begins; its first step may look at the trace itself."""
        taken = steps_taken(trace)
        weights = inside(trace.weights, trace.graph.exists())
        if not taken:
            weights = quantiles(weights) - np.float32(LATE) * late_elsewhere(trace.graph)
        return cls(trace if itself else reordered(trace, weights), modes, weights, taken)

    def take(self) -> tuple[STrace, Array | None]:
        """Take a step; return the trace that it has looked at, and its total variation if at the usual sizes."""
        trace, sizes = self.current, sizes_looked_at(len(self.current.tokens))
        if self.taken < FAR_STEPS:
            far: Array | None = self._far(trace, sizes)
        else:
            self.learner = self.learner or Learner(from_the_top(quantiles(self.weights)))
            # Every other step looks at sizes between, so that the order serves all sizes and not a few.
            between = self.learner.step % 2 == 1
            far = self._learn(trace, self.learner, [size * BETWEEN if between else size for size in sizes])
            far = None if between else far
        self.taken += 1
        self.current = reordered(trace, self.weights)
        return trace, far

    def _far(self, trace: STrace, sizes: Sequence[float]) -> Array:
        from ..model.subgraph_gains import subgraph_gains  # noqa: PLC0415 - needs torch

        between = [size * BETWEEN for size in sizes] if self.taken < WIDE_STEPS else []
        masks = [trace.mask(size) for size in [*sizes, *between]]
        gained, far = subgraph_gains(trace.model, trace.token_ids, masks, trace.full_logits, HARM, self.modes)
        step = np.float32(STEP * SHRINKS**self.taken)
        self.weights = self.weights + step * quantiles(inside(gained, trace.graph.exists()))
        return far[: len(sizes)]

    def _learn(self, trace: STrace, learner: Learner, sizes: Sequence[float]) -> Array:
        from ..model.subgraph_gains import gains_of_each  # noqa: PLC0415 - needs torch

        masks = [trace.mask(size) for size in sizes]
        of_each, far = gains_of_each(trace.model, trace.token_ids, masks, trace.full_logits, self.modes)
        exists = trace.graph.exists()
        learner.learn([inside(each, exists) for each in of_each], sizes)
        self.weights = learner.scores
        return far


def reordered(trace: STrace, weights: Array) -> STrace:
    """Return a trace with other weights (E,)."""
    found = as_edges(weights, trace.graph.exists())
    return replace(trace, weights=found, order=best_first(found, trace.graph))


def seen(trace: STrace, total_variation: Array) -> STrace:
    """Return a trace with what its subgraphs' total variation was seen to be."""
    return replace(trace, refined=replace(trace.refined or Refined(), total_variation=tuple(total_variation.tolist())))


def better(trace: STrace, other: STrace | None) -> STrace:
    """Return the trace with the smaller `area`."""
    return trace if other is None or area(trace) < area(other) else other


def perturbed(trace: STrace, passes: float, modes: Modes) -> STrace:
    """Return a trace whose components were weighed against one another without gradients, or itself if that is better.

    Many subgraphs run in one batch, in each of which the weights of half of the components, drawn at random, are
    raised, and the others lowered. A server is asked twice.
    """
    from ..model.subgraph_gains import subgraph_errors  # noqa: PLC0415 - needs torch

    sizes, component = sizes_looked_at(len(trace.tokens)), component_of(trace.graph)
    asked = trace.model, trace.token_ids
    n_rows = int(passes * ROWS_A_PASS * len(sizes) / max(SIZES)) - len(sizes) * (len(MOVES) + 1)
    n_pairs = max(1, n_rows // 2)
    # Drawn anew in each refinement, and the same whenever it is repeated.
    random = np.random.default_rng(len(trace.refined.refinements) if trace.refined else 0)
    signs = random.choice((-1, 1), size=(n_pairs, int(component.max()) + 1)).astype(np.float32)
    weights = quantiles(inside(trace.weights, trace.graph.exists()))
    masks = [
        reordered(trace, weights + np.float32(sign * MOVE) * row[component]).mask(sizes[number % len(sizes)])
        for sign in (1, -1)
        for number, row in enumerate(signs)
    ]
    far = subgraph_errors(*asked, masks, trace.full_logits, modes)
    help_by = effects(signs, far[:n_pairs], far[n_pairs:]).astype(np.float32)[component]
    tried = [trace, *(reordered(trace, weights + np.float32(move * MOVE) * help_by) for move in MOVES)]
    masks = [each.mask(size) for each in tried for size in sizes]
    errors = np.split(subgraph_errors(*asked, masks, trace.full_logits, modes), len(tried))
    return min((seen(each, own) for each, own in zip(tried, errors, strict=True)), key=area)


def as_refined(trace: STrace, passes: float, modes: Modes, before: Refined, *, gradients: bool = True) -> STrace:
    """Return what a refinement of a trace has found, saying how it was made."""
    this = Refinement(passes, modes.masks, modes.attention, modes.ablation, gradients)
    seen_last = trace.refined.total_variation if trace.refined else ()
    how = Refined(before.start, (*before.refinements, this), seen_last)
    return replace(trace, importance="refined", probing=None, refined=how, saved_view={})
