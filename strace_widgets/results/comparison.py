"""Two traces side by side: what they share, and which heads set them apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..graph.counts import component_counts
from ..graph.edges import Array, edges_kept

if TYPE_CHECKING:
    from .strace import STrace

SIZES = np.geomspace(1e-4, 1, 25)
"""Where two traces are compared: six sizes a decade."""

HEADS_AT = 0.1
"""The size at which heads are compared unless another is given."""


class HeadDifference(NamedTuple):
    """A head, and the share of its edges that each of two traces has, at one size."""

    layer: int
    head: int
    first: float
    second: float

    @property
    def component(self) -> str:
        """The head's name, ``"<layer>.<head>"``, as toggles have it."""
        return f"{self.layer}.{self.head}"


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """Two traces: of two prompts, two measures or two models. Two comparisons are equal only if they are one object.

    Attributes
    ----------
    a, b : STrace
    sizes : (K,) float64
        Relative sizes at which they are compared; with unequal prompts the same share is another number of edges.
    """

    a: STrace
    b: STrace
    sizes: Array

    @cached_property
    def jaccard(self) -> Array | None:
        """(K,) shares of edges in both traces among those in either, in [0, 1]; None where the graphs are not alike.

        Graphs are alike if they have the same layers, heads, tokens and kind of block. NaN where both traces are empty.
        """
        if self.a.graph != self.b.graph:
            return None
        exists = self.a.graph.exists()
        ranks = [
            np.concatenate([kind[present] for kind, present in zip(trace.ranks, exists, strict=True)])
            for trace in (self.a, self.b)
        ]
        kept = self.a.kept(self.sizes)
        # An edge is in both from its later rank on, and in either from its earlier.
        both, either = (np.searchsorted(np.sort(pick(*ranks)), kept) for pick in (np.maximum, np.minimum))
        return np.where(either > 0, both / np.maximum(either, 1), np.nan)

    def heads(self, size: float = HEADS_AT, n_heads: int = 10) -> list[HeadDifference]:
        """Return the heads of which the two traces, at one size, keep the most unequal shares of edges.

        Parameters
        ----------
        size : float in (0, 1]
        n_heads : int
            How many heads to list at most.

        Raises
        ------
        ValueError
            When the models have not the same layers and heads.
        """
        shares = [_head_shares(trace, size) for trace in (self.a, self.b)]
        if shares[0].shape != shares[1].shape:
            raise ValueError(
                f"Heads of {self.a.model.name} {shares[0].shape} and {self.b.model.name} {shares[1].shape} (layers, "
                "heads) cannot be set side by side: compare two models of one shape, or look at the chart."
            )
        first, second = shares
        order = np.argsort(-np.abs(first - second), axis=None, kind="stable")[:n_heads]
        rows = zip(*np.unravel_index(order, first.shape), strict=True)
        return [HeadDifference(int(i), int(j), float(first[i, j]), float(second[i, j])) for i, j in rows]

    def labels(self) -> tuple[str, str]:
        """Return what tells the two apart: the prompt, and the model and measure where those differ."""
        same_model, same_measure = self.a.model.name == self.b.model.name, self.a.importance == self.b.importance
        names = []
        for trace in (self.a, self.b):
            extra = [] if same_model else [trace.model.name]
            extra += [] if same_measure else [f"by {trace.importance}"]
            prompt = " ".join(trace.prompt.split())
            names.append(", ".join([f"“{prompt}”", *extra]))
        return names[0], names[1]

    def chart(self, size: float = HEADS_AT) -> Any:
        """Return an Altair chart of both error curves, the edges shared, and the heads that differ most at one size.

        Parameters
        ----------
        size : float in (0, 1]
            At which heads are compared.
        """
        from ..charts import comparison  # noqa: PLC0415 - drawn only on request

        return comparison(self, size)

    def __repr__(self) -> str:
        first, second = self.labels()
        lines = [f"Comparison of {first} with {second}"]
        if self.jaccard is None:
            lines.append("their graphs differ, so that edges cannot be matched")
        else:
            shown = [int(np.abs(np.log(self.sizes / size)).argmin()) for size in (0.001, 0.01, 0.1)]
            shares = (f"{self.jaccard[i]:.0%} at s = {self.sizes[i]:.3g}" for i in dict.fromkeys(shown))
            lines.append(f"edges shared: {', '.join(shares)}")
        if _head_shape(self.a) == _head_shape(self.b):
            worst = (f"{head.component} ({head.first:.0%} and {head.second:.0%})" for head in self.heads(n_heads=5))
            lines.append(f"most unequal heads at s = {HEADS_AT:g}, by the share of their edges: {', '.join(worst)}")
        return "\n".join(lines)


def compare(a: STrace, b: STrace, sizes: Array | list[float] | None = None) -> Comparison:
    """Return the comparison of two traces.

    Parameters
    ----------
    a, b : STrace
        Of two prompts, two importance measures or two models.
    sizes : (K,) floats in (0, 1], optional
        `SIZES` unless given.

    Raises
    ------
    ValueError
        When a size is not in (0, 1], or there is none.
    """
    chosen = np.sort(np.asarray(SIZES if sizes is None else sizes, dtype=np.float64))
    if chosen.ndim != 1 or not len(chosen) or not ((chosen > 0) & (chosen <= 1)).all():
        raise ValueError(f"Traces are compared at one size or more, each with 0 < s <= 1; these are {sizes!r}.")
    return Comparison(a, b, chosen)


def _head_shape(trace: STrace) -> tuple[int, int]:
    return trace.graph.n_layers, trace.graph.n_heads


def _head_shares(trace: STrace, size: float) -> Array:
    """Return the share (L, H) of each head's edges that the trace of one size has."""
    counts, _ = component_counts(trace.ranks, np.array([edges_kept(size, trace.n_edges), trace.n_edges]))
    shares: Array = counts["head_edges"][0] / counts["head_total"][:, None]
    return shares
