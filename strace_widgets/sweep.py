"""What the subgraphs of several sizes predict, against the full model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Array = np.ndarray[Any, Any]

TOP = 10
"""How many leading tokens a result lists."""

PAPER_SIZES = (
    *(1e-5, 2e-5, 4e-5, 8e-5, 1e-4, 2e-4, 4e-4, 8e-4, 1e-3, 1.2e-3, 1.4e-3, 2e-3, 3e-3, 4e-3, 6e-3, 8e-3),
    *(0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
)
"""The sizes at which the paper's published pipeline evaluates."""


class TopToken(NamedTuple):
    """One of the most probable next tokens."""

    id: int
    token: str
    probability: float


@dataclass(frozen=True, repr=False)
class Sweep:
    """One row a size, ascending as given; every figure is at the last position, against the full model.

    Attributes
    ----------
    sizes : (K,) float64
        Relative sizes s as asked for.
    n_edges : (K,) int64
        Edges of the trace, int(s E), before any toggles.
    n_edges_kept : (K,) int64
        Edges of the mask that was evaluated, after toggles.
    total_variation, kl, entropy : (K,) float64
        TV in [0, 1]; KL(full || subgraph) and the subgraph's entropy in nats.
    top1 : (K,) bool
        Whether the most probable token is the full model's.
    nucleus : (K,) int64
        Recovered nucleus in per cent, 0 for none.
    top : list of list of TopToken
        The subgraph's most probable tokens, a list a size.
    probabilities, full_probabilities : (K, V) and (V,) float32
    """

    sizes: Array
    n_edges: Array
    n_edges_kept: Array
    total_variation: Array
    kl: Array
    entropy: Array
    top1: Array
    nucleus: Array
    top: list[list[TopToken]]
    probabilities: Array
    full_probabilities: Array

    def __len__(self) -> int:
        return len(self.sizes)

    def __repr__(self) -> str:
        return (
            f"Sweep of {len(self)} sizes, s = {self.sizes[0]:.3g} to {self.sizes[-1]:.3g}, "
            f"TV {self.total_variation[0]:.3g} to {self.total_variation[-1]:.3g}"
        )

    def lasting(self, criterion: Array) -> int | None:
        """Return the row from which on a criterion holds at every larger size too; None if it fails at the largest."""
        order = np.argsort(self.n_edges, kind="stable")
        holds = np.asarray(criterion, dtype=bool)[order]
        failures = np.flatnonzero(~holds)
        first = int(failures[-1]) + 1 if len(failures) else 0
        return int(order[first]) if first < len(holds) else None


def compare(
    full_logits: Array,
    logits: Array,
    sizes: Sequence[float],
    n_edges: Array,
    n_edges_kept: Array,
    decode: Callable[[int], str],
) -> Sweep:
    """Compare the logits (K, V) of K subgraphs with the full model's (V,)."""
    log_p, log_q = metrics.log_probabilities(full_logits), metrics.log_probabilities(logits)
    p, q = np.exp(log_p), np.exp(log_q)
    return Sweep(
        sizes=np.asarray(sizes, dtype=np.float64),
        n_edges=np.asarray(n_edges),
        n_edges_kept=np.asarray(n_edges_kept),
        total_variation=metrics.total_variation(p, q),
        kl=metrics.kl_divergence(log_p, log_q),
        entropy=metrics.entropy(log_q),
        top1=q.argmax(axis=-1) == p.argmax(),
        nucleus=metrics.recovered_nuclei(p, q),
        top=[top_tokens(row, decode) for row in q],
        probabilities=q.astype(np.float32),
        full_probabilities=p.astype(np.float32),
    )


def top_tokens(probabilities: Array, decode: Callable[[int], str], n_tokens: int = TOP) -> list[TopToken]:
    """Return the most probable tokens of one distribution (V,), most probable first; ties go to the smaller id."""
    n_tokens = min(n_tokens, len(probabilities))
    least = -np.partition(-probabilities, n_tokens - 1)[n_tokens - 1]
    candidates = np.flatnonzero(probabilities >= least)
    ids = candidates[np.argsort(-probabilities[candidates], kind="stable")][:n_tokens]
    return [TopToken(int(i), decode(int(i)), float(probabilities[i])) for i in ids]
