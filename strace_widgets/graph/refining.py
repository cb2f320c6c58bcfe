"""How weights are corrected by what edges gain subgraphs; numpy only.

Weights of different measures and gains have different units, which a prompt or a model stretches by orders of
magnitude. So nothing is added in units: each quantity is replaced by its quantile among all edges of the graph.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .edges import Edges


@dataclass(frozen=True)
class Refinement:
    """One refinement: its budget, and how subgraphs were run.

    Attributes
    ----------
    passes : float
        Forward passes that it might take.
    masks, attention, ablation : str
        See `strace_widgets.graph.modes.Modes`.
    """

    passes: float
    masks: str = "all"
    attention: str = "recomputed"
    ablation: str = "zero"

    def options(self) -> dict[str, Any]:
        """Return what is not as usual, and the budget, as keyword arguments of `strace_widgets.STrace.refine`."""
        usual = asdict(Refinement(0))
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


@dataclass(frozen=True)
class Refined:
    """How a trace was refined.

    Attributes
    ----------
    start : str
        The measure whose weights it began with; empty for the measure ``"refined"``, which takes the better one of
        `STARTS`.
    refinements : tuple of Refinement
        One after the other.
    total_variation : tuple of float
        Of its subgraphs of the sizes that refining looks at.
    """

    start: str = ""
    refinements: tuple[Refinement, ...] = ()
    total_variation: tuple[float, ...] = ()


STARTS = ("l2", "l1")
"""The measures that ``"refined"`` begins with: its result is worse than neither."""


def quantiles(values: Edges, exists: Edges) -> Edges:
    """Return each edge's quantile among all edges of the graph, from 0 to 1; equal values share their mean.

    Parameters
    ----------
    values : Edges of float
    exists : Edges of bool
        Which edges are in the graph; the others get 0.
    """
    inside = np.concatenate([kind[present] for kind, present in zip(values, exists, strict=True)])
    _, place, counts = np.unique(inside, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shares = ((ends - (counts + 1) / 2) / max(len(inside) - 1, 1))[place].astype(np.float32)
    cuts = np.cumsum([np.count_nonzero(present) for present in exists])[:-1]
    found = Edges(*(np.zeros(kind.shape, dtype=np.float32) for kind in exists))
    for kind, present, own in zip(found, exists, np.split(shares, cuts), strict=True):
        kind[present] = own
    return found


def corrected(weights: Edges, gains: Edges, exists: Edges, step: float) -> Edges:
    """Return weights plus ``step`` times the quantile of each edge's gain.

    Parameters
    ----------
    weights, gains : Edges of float
    exists : Edges of bool
    step : float
    """
    return Edges(*(w + np.float32(step) * q for w, q in zip(weights, quantiles(gains, exists), strict=True)))
