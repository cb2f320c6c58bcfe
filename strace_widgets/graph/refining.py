"""How weights are corrected by what edges gain subgraphs; numpy only.

Weights of different measures and gains have different units, which a prompt or a model stretches by orders of
magnitude. So nothing is added in units: each quantity is replaced by its quantile among all edges of the graph.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .edges import Array, Edges, Graph

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Refinement:
    """One refinement: its budget, and how subgraphs were run.

    Attributes
    ----------
    passes : float
        Forward passes that it might take.
    masks, attention, ablation : str
        See `strace_widgets.graph.modes.Modes`.
    gradients : bool
        Whether gradients were used.
    """

    passes: float
    masks: str = "all"
    attention: str = "recomputed"
    ablation: str = "zero"
    gradients: bool = True

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


PASSES = 13
"""The budget of a refinement unless another is given, in forward passes."""

STARTS = ("l2", "l1")
"""The measures that ``"refined"`` begins with: its result is worse than neither."""


def inside(values: Edges, exists: Edges) -> Array:
    """Return the values of the edges of the graph as one vector (E,).

    Parameters
    ----------
    values : Edges
    exists : Edges of bool
        Which edges are in the graph.
    """
    return np.concatenate([kind[present] for kind, present in zip(values, exists, strict=True)])


def as_edges(vector: Array, exists: Edges) -> Edges:
    """Return a vector (E,) as values of edges, float32, with 0 outside the graph: the inverse of `inside`.

    Parameters
    ----------
    vector : (E,) array
    exists : Edges of bool
        Which edges are in the graph.
    """
    cuts = np.cumsum([np.count_nonzero(present) for present in exists])[:-1]
    found = Edges(*(np.zeros(kind.shape, dtype=np.float32) for kind in exists))
    for kind, present, own in zip(found, exists, np.split(vector, cuts), strict=True):
        kind[present] = own
    return found


def quantiles(values: Array) -> Array:
    """Return each value's quantile among all, from 0 to 1, float32; equal values share their mean.

    Parameters
    ----------
    values : (E,) array
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    shares = (np.cumsum(counts) - (counts + 1) / 2) / max(len(values) - 1, 1)
    return shares[place].astype(np.float32)


@dataclass
class Learner:
    """Learns an order that serves every size, by gradients of hard subgraphs at several sizes (straight-through).

    An edge has a score u; at size s it counts as kept by sigmoid((u - threshold(s)) / temperature), whose slope says
    which sizes' gains move it: those near which it enters. The scores move by Adam (Kingma and Ba 2015, arXiv
    1412.6980), whose damping is the root mean square of all edges' gradients, so that noise moves nothing far.

    Attributes
    ----------
    scores : (E,) float32
        Minus the logarithm of an edge's place from the top: a step is a ratio of sizes.
    step : int
        Steps taken: temperature and rate fall with them.
    """

    scores: Array
    step: int = 0
    mean: Array | float = 0.0
    square: Array | float = 0.0

    def learn(self, gains: list[Array], sizes: Sequence[float]) -> None:
        """Take a step.

        Parameters
        ----------
        gains : K vectors (E,)
            The signed gains of the subgraphs of K sizes.
        sizes : K floats
        """
        temperature = max(COLD, WARM * COOLS**self.step)
        rate = max(SLOWEST, RATE * SLOWS**self.step)
        falling = np.sort(self.scores)[::-1]
        gradient = np.zeros_like(self.scores)
        for gain, size in zip(gains, sizes, strict=True):
            threshold = falling[min(int(size * len(falling)), len(falling) - 1)]
            kept = 1 / (1 + np.exp(np.clip((threshold - self.scores) / temperature, -50, 50)))
            gradient += np.clip(gain, -LARGEST, LARGEST) * kept * (1 - kept)
        self.step += 1
        self.mean = KEPT_MEAN * self.mean + (1 - KEPT_MEAN) * gradient
        self.square = KEPT_SQUARE * self.square + (1 - KEPT_SQUARE) * gradient**2
        mean = self.mean / (1 - KEPT_MEAN**self.step)
        root = np.sqrt(self.square / (1 - KEPT_SQUARE**self.step))
        damping = max(float(np.sqrt((gradient**2).mean())), 1e-20)
        self.scores = (self.scores + rate * mean / (root + damping)).astype(np.float32)


WARM, COLD, COOLS = 0.5, 0.15, 0.94
"""The temperature of the first step, the lowest, and what it is multiplied by; in natural logarithms of size."""

RATE, SLOWEST, SLOWS = 0.1, 0.02, 0.92
"""The largest move of a score in the first step, in the last ones, and what it is multiplied by."""

LARGEST = 0.1
"""Gains beyond this count as this."""

KEPT_MEAN, KEPT_SQUARE = 0.9, 0.99
"""What is kept of the running means of gradients and of their squares at each step."""


def from_the_top(quantile: Array) -> Array:
    """Return minus the logarithm of each edge's place from the top, as a share of all edges.

    Parameters
    ----------
    quantile : (E,) array
        As `quantiles` returns them.
    """
    return -np.log(1 - quantile + 0.5 / len(quantile))


def component_of(graph: Graph) -> Array:
    """Return the component of each edge, (E,) int: a head, or one kind of a layer's other edges.

    Parameters
    ----------
    graph : Graph
    """
    n_layers, n_heads = graph.n_layers, graph.n_heads
    heads = np.arange(n_layers * n_heads).reshape(n_layers, n_heads, 1, 1)
    others = n_layers * n_heads + np.arange(3 * n_layers).reshape(3, n_layers, 1)
    return _of_each(Edges(heads, *others), graph)


def late_elsewhere(graph: Graph) -> Array:
    """Return how deep each edge is where it enters a token before the last, from 0 to 1; else 0. (E,) float32.

    The deeper such an edge is, the fewer layers are left to carry it to the last token, which the trace explains. What
    an edge carries (``"l1"``, ``"l2"``) knows nothing of that.

    Parameters
    ----------
    graph : Graph
    """
    depth = (np.arange(graph.n_layers, dtype=np.float32) + np.float32(0.5)) / np.float32(graph.n_layers)
    found = depth[:, None] * (np.arange(graph.n_tokens) < graph.n_tokens - 1)
    return _of_each(Edges(found[:, None, :, None], found, found, found), graph)


def _of_each(kinds: Edges, graph: Graph) -> Array:
    """Return the value of each edge of a graph (E,), from arrays that can be broadcast to the shapes of `Edges`."""
    exists = graph.exists()
    return inside(Edges(*(np.broadcast_to(own, kind.shape) for own, kind in zip(kinds, exists, strict=True))), exists)


def effects(signs: Array, raised: Array, lowered: Array) -> Array:
    """Return how much each component's edges help, estimated without gradients; their root mean square is 1.

    The mean, over random directions, of the direction times how much farther the subgraph is after a move against it
    than after one along it (simultaneous perturbation, Spall 1992).

    Parameters
    ----------
    signs : (N, C) array of 1 and -1
        The directions: which components' weights were raised.
    raised, lowered : (N,) arrays
        The total variation after a move along each direction, and against it.
    """
    found = ((lowered - raised)[:, None] * signs).mean(axis=0)
    result: Array = found / max(float(np.sqrt((found**2).mean())), 1e-20)
    return result
