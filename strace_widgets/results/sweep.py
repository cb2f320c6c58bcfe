"""What the subgraphs of several sizes predict, against the full model."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import metrics
from .display import html_table, pandas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from ..graph.edges import Array

TOP = 10
"""How many leading tokens a result lists."""

NUCLEUS = 0.6
"""The nucleus whose size a sweep reports, as a share of the probability."""

FIGURES = (
    *("n_edges", "n_edges_kept", "total_variation", "kl", "jensen_shannon", "entropy"),
    *("top1", "nucleus", "nucleus_size"),
)
"""The columns of a sweep that have one number a size and need no true next token."""

SHOWN = 12
"""Rows that the table of a sweep shows at most."""


class TopToken(NamedTuple):
    """One of the most probable next tokens."""

    id: int
    token: str
    probability: float


@dataclass(frozen=True, repr=False, eq=False)
class Sweep:
    """One row a size, in the order given; every figure is at the last position, against the full model.

    Two sweeps are equal only if they are the same object.

    Attributes
    ----------
    sizes : (K,) float64
        Relative sizes s as asked for.
    n_edges : (K,) int64
        Edges of the trace, int(s E), before any toggles.
    n_edges_kept : (K,) int64
        Edges of the mask that was evaluated, after toggles.
    total_variation, kl, jensen_shannon, entropy : (K,) float64
        TV in [0, 1]; KL(full || subgraph), the Jensen-Shannon divergence (at most ln 2) and the subgraph's entropy in
        nats.
    top1 : (K,) bool
        Whether the most probable token is the full model's.
    nucleus : (K,) float64
        The largest nucleus that is recovered, as a share of the probability: one of
        `strace_widgets.results.metrics.NUCLEI`, or 0 for none.
    nucleus_size : (K,) int64
        Tokens in the subgraph's nucleus of 0.6.
    top : list of list of TopToken
        The subgraph's most probable tokens, a list a size.
    probabilities, full_probabilities : (K, V) and (V,) float32
    loss, rank : (K,) float64 and (K,) int64, or None
        Of the token that really comes next, where it was given: the loss in nats, and its place by falling
        probability, 0 for the most probable.
    figure : (K,) float64, or None
        Where the trace asks for a target: its figure, see `strace_widgets.model.text.contrasts.Contrast.of`.
    full_figure, empty_figure : float
        The same of the full model, and of the subgraph without an edge.

    Notes
    -----
    `strace_widgets.results.metrics` has the formulas.
    """

    sizes: Array
    n_edges: Array
    n_edges_kept: Array
    total_variation: Array
    kl: Array
    jensen_shannon: Array
    entropy: Array
    top1: Array
    nucleus: Array
    nucleus_size: Array
    top: list[list[TopToken]]
    probabilities: Array
    full_probabilities: Array
    loss: Array | None = None
    rank: Array | None = None
    figure: Array | None = None
    full_figure: float = np.nan
    empty_figure: float = np.nan

    @property
    def faithfulness(self) -> Array:
        """How much of the figure each subgraph has: f = (m(s) - m(empty)) / (m(full) - m(empty)), (K,) float64.

        Raises
        ------
        ValueError
            When the trace asks for no target.
        """
        if self.figure is None:
            raise ValueError("Faithfulness is that of a target: sw.trace(model, prompt, target=..., foil=...).")
        return metrics.faithfulness(self.figure, self.full_figure, self.empty_figure)

    def cpr(self, axis: metrics.Axis = "s") -> float:
        """Return the mean faithfulness over all sizes (circuit performance ratio): more is better, also above 1.

        Parameters
        ----------
        axis : {"s", "log10 s"}
            See `strace_widgets.results.metrics.mean_over_sizes`.

        Raises
        ------
        ValueError
            When the trace asks for no target.
        """
        return metrics.mean_over_sizes(self.sizes, self.faithfulness, axis, at_nothing=0.0)

    def cmd(self, axis: metrics.Axis = "s") -> float:
        """Return the mean of abs(1 - f) over all sizes (circuit-model distance): less is better, and 0 the least.

        Parameters
        ----------
        axis : {"s", "log10 s"}
            See `strace_widgets.results.metrics.mean_over_sizes`.

        Raises
        ------
        ValueError
            When the trace asks for no target.
        """
        return metrics.mean_over_sizes(self.sizes, np.abs(1 - self.faithfulness), axis, at_nothing=1.0)

    def columns(self) -> dict[str, Array]:
        """Return the figures of each size by name, as columns of a table.

        Returns
        -------
        dict of (K,) arrays
        """
        names = ("n_edges", "total_variation", "kl", "entropy", "top1", "nucleus")
        return {"size": self.sizes, **{name: getattr(self, name) for name in names}}

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with a row a size.

        Returns
        -------
        pandas.DataFrame
            ``size``, ``n_edges``, ``n_edges_kept``, ``total_variation``, ``kl``, ``jensen_shannon``, ``entropy``,
            ``top1``, ``nucleus`` and ``nucleus_size`` as in the attributes; ``top1_token`` and ``top1_probability`` of
            the subgraph's most probable token; ``loss`` and ``rank``, where the true next token was given; ``figure``
            and ``faithfulness``, where the trace asks for a target.

        Raises
        ------
        MissingPackageError
            When pandas is not installed.
        """
        pd = pandas()
        per_size = {"size": self.sizes}
        for name in (*FIGURES, "loss", "rank", "figure"):
            if getattr(self, name) is not None:
                per_size[name] = getattr(self, name)
        if self.figure is not None:
            per_size["faithfulness"] = self.faithfulness
        leading = [top[0] for top in self.top]
        return pd.DataFrame(
            per_size
            | {
                "top1_token": [token.token for token in leading],
                "top1_probability": [token.probability for token in leading],
            }
        )

    def __len__(self) -> int:
        return len(self.sizes)

    def __repr__(self) -> str:
        return (
            f"Sweep of {len(self)} sizes, s = {self.sizes[0]:.3g} to {self.sizes[-1]:.3g}, "
            f"TV {self.total_variation[0]:.3g} to {self.total_variation[-1]:.3g}"
        )

    def _repr_html_(self) -> str:
        shown = np.unique(np.linspace(0, len(self) - 1, min(SHOWN, len(self))).round().astype(int))
        title = f"Sweep of {len(self)} size{'s' * (len(self) != 1)}"
        if len(shown) < len(self):
            title += f", {len(shown)} of them shown"
        columns = {
            "size": [f"{self.sizes[row]:.3g}" for row in shown],
            "edges": [f"{self.n_edges_kept[row]:,}" for row in shown],
            "TV": [f"{self.total_variation[row]:.3f}" for row in shown],
            "top token": [self.top[row][0].token for row in shown],
            "top-1 agrees": ["✓" if self.top1[row] else "" for row in shown],
        }
        return html_table(title, columns, texts={"top token"})

    def rows(self, rows: Sequence[int]) -> Sweep:
        """Return the results of some rows only, in the order given.

        Parameters
        ----------
        rows : sequence of int
        """
        per_row: dict[str, Any] = {
            column.name: value[np.asarray(rows)]
            for column in fields(self)
            if isinstance(value := getattr(self, column.name), np.ndarray) and column.name != "full_probabilities"
        }
        return replace(self, top=[self.top[row] for row in rows], **per_row)

    def lasting(self, criterion: Array) -> int | None:
        """Return the row from which on a criterion holds at every larger size too; None if it fails at the largest.

        Parameters
        ----------
        criterion : (K,) array of bool
            Whether it holds at each size, such as ``sweep.kl <= 0.5``.
        """
        return metrics.first_lasting(self.n_edges, criterion)

    def top_agreement(self, k: int) -> Array:
        """Return the share (K,) of the full model's k leading tokens that are among the subgraph's k leading tokens.

        Parameters
        ----------
        k : int

        Raises
        ------
        ValueError
            When k is below 1.
        """
        return metrics.top_agreement(self.full_probabilities, self.probabilities, k)

    def area(self, axis: metrics.Axis = "log10 s", lower: float | None = None, upper: float | None = None) -> float:
        """Return the area under total variation: one figure for the error at all sizes, smaller is better.

        Parameters
        ----------
        axis : {"log10 s", "s"}
            In decades of s, which gives the small sizes their say, or in s itself.
        lower, upper : float, optional
            The range of s; without them, from the smallest to the largest size evaluated.

        Raises
        ------
        ValueError
            When the axis is unknown, or the sizes do not cover the range with at least two of them in it.
        """
        return metrics.area(self.sizes, self.total_variation, axis, lower, upper)


def joined(first: Sweep, second: Sweep) -> Sweep:
    """Return two sweeps of the same trace as one, a row a size, by ascending size; of a size in both, the first's."""
    n_edges = np.concatenate([first.n_edges, second.n_edges])
    _, rows = np.unique(n_edges, return_index=True)
    per_row: dict[str, Any] = {
        column.name: np.concatenate([value, getattr(second, column.name)])
        for column in fields(first)
        if isinstance(value := getattr(first, column.name), np.ndarray) and column.name != "full_probabilities"
    }
    return replace(first, top=first.top + second.top, **per_row).rows(rows.tolist())


def compare(
    full_logits: Array,
    logits: Array,
    sizes: Sequence[float],
    n_edges: Array,
    n_edges_kept: Array,
    decode: Callable[[int], str],
    *,
    next_token: int | None = None,
) -> Sweep:
    """Compare the logits (K, V) of K subgraphs with the full model's (V,), and with the true next token if given.

    Raises
    ------
    ValueError
        When the next token is not in the vocabulary.
    """
    if next_token is not None and not 0 <= next_token < len(full_logits):
        raise ValueError(f"There is no token {next_token}: the model's ids go from 0 to {len(full_logits) - 1}.")
    log_p, log_q = metrics.log_probabilities(full_logits), metrics.log_probabilities(logits)
    p, q = np.exp(log_p), np.exp(log_q)
    sorted_q = metrics.falling(q)
    return Sweep(
        sizes=np.asarray(sizes, dtype=np.float64),
        n_edges=np.asarray(n_edges),
        n_edges_kept=np.asarray(n_edges_kept),
        total_variation=metrics.total_variation(p, q),
        kl=metrics.kl_divergence(log_p, log_q),
        jensen_shannon=metrics.jensen_shannon(log_p, log_q),
        entropy=metrics.entropy(log_q),
        top1=q.argmax(axis=-1) == p.argmax(),
        nucleus=metrics.recovered_nuclei(p, q, sorted_q),
        nucleus_size=metrics.nucleus_size(q, NUCLEUS, sorted_q),
        top=[top_tokens(row, decode) for row in q],
        probabilities=q.astype(np.float32),
        full_probabilities=p.astype(np.float32),
        loss=None if next_token is None else metrics.token_loss(log_q, next_token),
        rank=None if next_token is None else metrics.token_rank(q, next_token),
    )


def top_tokens(probabilities: Array, decode: Callable[[int], str], n_tokens: int = TOP) -> list[TopToken]:
    """Return the most probable tokens of one distribution (V,), most probable first; ties go to the smaller id."""
    ids = metrics.leading(probabilities, n_tokens)
    return [TopToken(int(i), decode(int(i)), float(probabilities[i])) for i in ids]
