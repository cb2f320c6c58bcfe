"""Refine a trace: correct its weights, again and again, by what each edge gains the trace's own subgraphs.

Subgraphs of a few sizes in the bend of the curve run as rows of one batch, forward and backward, and show at once how
far their predictions are and what each edge gains them. So an improvement is known by the next step, and the best
order seen is kept: refining can be stopped at any time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.edges import Edges, Graph
from ..graph.measures import in_graph, measure_named, weigh
from ..graph.modes import Modes
from ..graph.ranking import rank_edges
from ..graph.refining import STARTS, Refined, corrected, quantiles
from ..model.subgraph_gains import subgraph_errors, subgraph_gains
from . import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .strace import STrace

PASSES = 13
"""The budget unless another is given, in forward passes."""

STEP_COST, CHECK_COST = 3.5, 1.5
"""What a step and a look at a few subgraphs take, in forward passes of the prompt: measured on short prompts, where a
few more rows in a batch cost little (`benchmarks/passes.py`)."""

TOKENS_A_BATCH = 96
"""Longer batches cost in proportion: a long prompt's subgraphs are looked at one by one, at fewer sizes."""

SIZES = {1: (0.3,), 2: (0.15, 0.4), 3: (0.1, 0.2, 0.4), 4: (0.1, 0.2, 0.35, 0.55)}
"""The sizes of the subgraphs, by how many a batch holds."""

STEP, SHRINKS = 0.6, 0.85
"""The first step, in quantiles, and how the next ones shrink."""

HARM = -0.35
"""An edge that harms subgraphs counts as one that gains them this much less: it moves the prediction, and larger
subgraphs need it."""


@dataclass(frozen=True)
class State:
    """Where refining stands.

    Attributes
    ----------
    weights : Edges of float32
        Sums of quantiles.
    best : STrace
        The best trace seen.
    """

    weights: Edges
    best: STrace


def sizes_looked_at(n_tokens: int) -> tuple[float, ...]:
    """Return the sizes of the subgraphs that are run for a prompt of some length."""
    return SIZES[min(max(SIZES), max(1, TOKENS_A_BATCH // n_tokens))]


def area(trace: STrace) -> float:
    """Return the area over s under the total variation that refining has measured: from 1 at s = 0 to 0 at s = 1."""
    far = trace.refined.total_variation if trace.refined else ()
    return metrics.area(np.array([0, *sizes_looked_at(len(trace.tokens)), 1]), np.array([1, *far, 0]), "s")


def refinement(trace: STrace, passes: float, modes: Modes, rival: STrace | None = None) -> Iterator[STrace]:
    """Yield the best trace seen after each step, while the budget lasts.

    Parameters
    ----------
    trace : STrace
    passes : float
        The budget, in forward passes.
    modes : Modes
        How subgraphs are run.
    rival : STrace, optional
        A trace that the result must not be worse than, either.
    """
    exists, sizes = trace.graph.exists(), sizes_looked_at(len(trace.tokens))
    current, best, step = trace, None, 0
    weights = trace.weights if trace.refined else quantiles(trace.weights, exists)
    while passes >= STEP_COST + CHECK_COST:
        passes -= STEP_COST
        masks = [current.mask(size) for size in sizes]
        gained, far = subgraph_gains(trace.model, trace.token_ids, masks, trace.full_logits, HARM, modes)
        current = seen(current, far)
        best = current if best is None or area(current) < area(best) else best
        yield best
        weights = corrected(weights, in_graph(gained, exists), exists, STEP * SHRINKS**step)
        step += 1
        current = replace(current, weights=weights, ranks=rank_edges(weights, trace.graph))
    last = [current] + ([rival] if rival else [])
    masks = [each.mask(size) for each in last for size in sizes]
    far = subgraph_errors(trace.model, trace.token_ids, masks, trace.full_logits, modes)
    for each, own in zip(last, np.split(far, len(last)), strict=True):
        each = seen(each, own)
        best = each if best is None or area(each) < area(best) else best
    yield best


def seen(trace: STrace, total_variation: Any) -> STrace:
    return replace(trace, refined=replace(trace.refined or Refined(), total_variation=tuple(total_variation.tolist())))
