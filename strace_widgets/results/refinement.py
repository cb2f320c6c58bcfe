"""Refine a trace: correct its weights, again and again, by what each edge gains the trace's own subgraphs.

Subgraphs of a few sizes in the bend of the curve run as rows of one batch, forward and backward, and show at once how
far their predictions are and what each edge gains them. So an improvement is known by the next step, and the best
order seen is kept: refining can be stopped at any time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..graph.ranking import rank_edges
from ..graph.refining import Learner, Refined, Refinement, as_edges, from_the_top, inside, quantiles
from ..model.subgraph_gains import gains_of_each, subgraph_errors, subgraph_gains
from . import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..graph.edges import Array
    from ..graph.modes import Modes
    from .strace import STrace

PASSES = 13
"""The budget unless another is given, in forward passes."""

CAPTURE_COST, STEP_COST, CHECK_COST = 1.3, 3.5, 1.2
"""What weighing all edges, a step, and a last look at some subgraphs take, in forward passes of the same prompt."""

TOKENS_A_BATCH = 40
"""How many tokens all rows of a batch have together: up to about as many, a row more costs less than a pass more."""

SIZES = {1: (0.3,), 2: (0.15, 0.4), 3: (0.1, 0.2, 0.4), 4: (0.1, 0.2, 0.35, 0.55)}
"""The sizes of the subgraphs, by how many a batch holds."""

STEP, SHRINKS = 1.0, 0.85
"""The first step, in quantiles, and how the next ones shrink."""

BETWEEN = 0.72
"""What the sizes are multiplied by to lie between themselves."""

FAR_STEPS = 8
"""How many steps of that kind there are, in all refinements of a trace."""

HARM = -0.35
"""An edge that harms subgraphs counts as one that gains them this much less: it moves the prediction, and larger
subgraphs need it."""


def sizes_looked_at(n_tokens: int) -> tuple[float, ...]:
    """Return the sizes of the subgraphs that are run for a prompt of some length."""
    return SIZES[min(max(SIZES), max(1, TOKENS_A_BATCH // n_tokens))]


def n_steps(passes: float) -> int:
    """Return how many steps a budget suffices for."""
    return max(0, int((passes - CHECK_COST) / STEP_COST))


def area(trace: STrace) -> float:
    """Return the area over s under the total variation that refining has measured: from 1 at s = 0 to 0 at s = 1."""
    far = trace.refined.total_variation if trace.refined else ()
    return metrics.area(np.array([0, *sizes_looked_at(len(trace.tokens)), 1]), np.array([1, *far, 0]), "s")


def refined(trace: STrace, passes: float, modes: Modes, *, progress: bool = True) -> STrace:
    """Return what refining a trace has found: see `strace_widgets.STrace.refine`."""
    if not n_steps(passes):
        least = STEP_COST + CHECK_COST
        raise ValueError(f"A step of refining takes about {least:.0f} forward passes: passes={passes!r} is too few.")
    found = refinement(trace, passes, modes)
    *_, best = tqdm(found, total=n_steps(passes) + 1, desc="refining", leave=False, disable=not progress)
    return as_refined(best, passes, modes, trace.refined or Refined(start=trace.importance))


def refinement(trace: STrace, passes: float, modes: Modes, rival: STrace | None = None) -> Iterator[STrace]:
    """Yield the best trace seen after each step, while the budget lasts; at least once.

    Parameters
    ----------
    trace : STrace
    passes : float
        The budget, in forward passes.
    modes : Modes
        How subgraphs are run.
    rival : STrace, optional
        Another trace of the prompt that the result must not be worse than.
    """
    best: STrace | None = None
    current = trace
    for current, far in _steps(trace, n_steps(passes), modes):
        if far is not None:
            best = better(seen(current, far), best)
            yield best
    sizes = sizes_looked_at(len(trace.tokens))
    last = [current] if rival is None else [current, rival]
    masks = [each.mask(size) for each in last for size in sizes]
    errors = subgraph_errors(trace.model, trace.token_ids, masks, trace.full_logits, modes)
    for each, own in zip(last, np.split(errors, len(last)), strict=True):
        best = better(seen(each, own), best)
    yield best if best is not None else current


def _steps(trace: STrace, n: int, modes: Modes) -> Iterator[tuple[STrace, Array | None]]:
    """Yield what n steps begin with, and its total variation; then what the last one has left, not yet looked at.

    The first steps move far: what subgraphs gain or lose by an edge is added to its quantile. When they have come as
    far as such steps do, an order is learned by many small ones.
    """
    exists, sizes = trace.graph.exists(), sizes_looked_at(len(trace.tokens))
    asked = trace.model, trace.token_ids
    weights = inside(trace.weights, exists)
    taken = sum(n_steps(each.passes) for each in trace.refined.refinements) if trace.refined else 0
    weights = weights if taken else quantiles(weights)
    n_far = min(n, max(0, FAR_STEPS - taken))
    current = trace
    for step in range(n_far):
        masks = [current.mask(size) for size in sizes]
        gained, far = subgraph_gains(*asked, masks, trace.full_logits, HARM, modes)
        yield current, far
        weights = weights + np.float32(STEP * SHRINKS ** (taken + step)) * quantiles(inside(gained, exists))
        current = _ordered(current, weights)
    learner = Learner(from_the_top(quantiles(weights)), n - n_far)
    for step in range(n - n_far):
        # Every other step looks at sizes between, so that the order serves all sizes and not a few.
        between = step % 2
        looked_at = [size * BETWEEN if between else size for size in sizes]
        masks = [current.mask(size) for size in looked_at]
        of_each, far = gains_of_each(*asked, masks, trace.full_logits, modes)
        if not between:
            yield current, far
        learner.learn([inside(each, exists) for each in of_each], looked_at)
        current = _ordered(current, learner.scores)
    yield current, None


def _ordered(trace: STrace, weights: Array) -> STrace:
    """Return a trace with other weights (E,)."""
    found = as_edges(weights, trace.graph.exists())
    return replace(trace, weights=found, ranks=rank_edges(found, trace.graph))


def seen(trace: STrace, total_variation: Array) -> STrace:
    """Return a trace with what its subgraphs' total variation was seen to be."""
    return replace(trace, refined=replace(trace.refined or Refined(), total_variation=tuple(total_variation.tolist())))


def better(trace: STrace, other: STrace | None) -> STrace:
    """Return the trace with the smaller `area`."""
    return trace if other is None or area(trace) < area(other) else other


def as_refined(trace: STrace, passes: float, modes: Modes, before: Refined) -> STrace:
    """Return what a refinement of a trace has found, saying how it was made."""
    this = Refinement(passes, modes.masks, modes.attention, modes.ablation)
    seen_last = trace.refined.total_variation if trace.refined else ()
    how = Refined(before.start, (*before.refinements, this), seen_last)
    return replace(trace, importance="refined", probing=None, refined=how, saved_view={})
