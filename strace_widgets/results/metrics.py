"""How far a subgraph's prediction is from the full model's, how sure it is, and how that adds up over all sizes.

Throughout, p is the full model's distribution (V,) and q a subgraph's, (V,) or, for K subgraphs, (K, V); everything is
computed in float64 from last-position logits. Logarithms are natural, and equal probabilities rank by token id.

A token whose logit is minus infinity is suppressed: its probability is 0, and it adds nothing to any sum. Whatever else
is not finite has no distribution, and `NonFiniteError` is raised rather than a figure given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import NonFiniteError

if TYPE_CHECKING:
    from ..graph.edges import Array

Axis = Literal["log10 s", "s"]
"""What an area is taken over: the decades of the size, or the size itself."""

FEW = 64
"""How many leading tokens are compared first."""

NUCLEI = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)
"""The nuclei that are compared, as shares of the probability mass."""


def log_probabilities(logits: Array) -> Array:
    """Return log softmax over the last axis, in float64 (nats).

    Parameters
    ----------
    logits : (..., V) array

    Raises
    ------
    NonFiniteError
        When a logit is NaN or plus infinity, or all are minus infinity.
    """
    logits = np.asarray(logits, dtype=np.float64)
    largest = logits.max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        raise NonFiniteError(
            "These logits are no prediction: some are NaN or plus infinity, or all are minus infinity. Only minus "
            "infinity has a meaning among them, a token that is suppressed."
        )
    shifted = logits - largest
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def total_variation(p: Array, q: Array) -> Array:
    """Return TV = 1/2 sum |p - q| over the last axis, in [0, 1].

    Parameters
    ----------
    p, q : (V,) or (K, V) arrays
        Probabilities.
    """
    result: Array = 0.5 * np.abs(_known(p) - _known(q)).sum(axis=-1)
    return result


def kl_divergence(log_p: Array, log_q: Array) -> Array:
    """Return KL(p || q) = sum p (ln p - ln q) in nats, 0 or more: what the subgraph q misses of the full model.

    It is infinite where q suppresses a token that p does not.

    Parameters
    ----------
    log_p, log_q : (V,) or (K, V) arrays
        Log probabilities.
    """
    p = np.exp(_known(log_p))
    # What p gives no probability adds nothing, whatever q gives it: 0 ln 0 is 0.
    ratio = np.subtract(log_p, _known(log_q), out=np.zeros(np.broadcast(log_p, log_q).shape), where=p > 0)
    result: Array = np.maximum((p * ratio).sum(axis=-1), 0.0)
    return result


def jensen_shannon(log_p: Array, log_q: Array) -> Array:
    """Return the Jensen-Shannon divergence in nats: symmetric, and in [0, ln 2] where KL has no upper bound.

    JSD(p, q) = 1/2 KL(p || m) + 1/2 KL(q || m) with m = (p + q) / 2.

    Parameters
    ----------
    log_p, log_q : (V,) or (K, V) arrays
        The two distributions' log probabilities.

    Returns
    -------
    () or (K,) float64 array
    """
    # Where both probabilities underflow to 0, ln m stays finite, so that 0 ln m is 0.
    log_m = np.log(np.maximum((np.exp(log_p) + np.exp(log_q)) / 2, np.finfo(np.float64).tiny))
    result: Array = np.clip((kl_divergence(log_p, log_m) + kl_divergence(log_q, log_m)) / 2, 0.0, np.log(2))
    return result


def entropy(log_p: Array) -> Array:
    """Return the entropy -sum p ln p in nats, in [0, ln V].

    Parameters
    ----------
    log_p : (V,) or (K, V) array
        Log probabilities.
    """
    p = np.exp(_known(log_p))
    result: Array = -(p * np.where(p > 0, log_p, 0.0)).sum(axis=-1)
    return result


def token_loss(log_q: Array, token: int) -> Array:
    """Return the loss -ln q[token] in nats, () or (K,): the surprise at the token that really comes next.

    It is infinite where q suppresses the token.

    Parameters
    ----------
    log_q : (V,) or (K, V) array
        Log probabilities.
    token : int
    """
    result: Array = -log_q[..., token]
    return result


def token_rank(q: Array, token: int) -> Array:
    """Return how many tokens come before one by falling probability, () or (K,) int64: 0 is the most probable.

    Parameters
    ----------
    q : (V,) or (K, V) array
        Probabilities.
    token : int
    """
    own = _known(q)[..., token, None]
    # Counting takes one pass where sorting would take many.
    result: Array = (q > own).sum(axis=-1) + (q[..., :token] == own).sum(axis=-1)
    return result


def leading(p: Array, k: int) -> Array:
    """Return the ids of the k most probable tokens of one distribution (V,), most probable first; all V if k > V.

    Parameters
    ----------
    p : (V,) array
        Probabilities; NaN for tokens that a saved file does not list, which come after all that it does.
    k : int

    Raises
    ------
    NonFiniteError
        When fewer than k probabilities are numbers.
    """
    k = min(k, len(p))
    # A tie across the k-th place is settled by id, so every token as probable as the k-th is a candidate.
    least = -np.partition(-p, k - 1)[k - 1]
    if not np.isfinite(least):
        raise NonFiniteError(
            f"Only {int(np.isfinite(p).sum())} probabilities of {len(p)} are numbers, so that the leading {k} are not "
            "known. A trace that was loaded from a file has those of its leading tokens: give it its model with "
            "trace.with_model(model)."
        )
    candidates = np.flatnonzero(p >= least)
    result: Array = candidates[np.argsort(-p[candidates], kind="stable")][:k]
    return result


def top_agreement(p: Array, q: Array, k: int) -> Array:
    """Return the top-k agreement: the share of p's k leading tokens that are among q's k leading tokens, in any order.

    For k = 1 it is 1 where the most probable token is the full model's, and 0 elsewhere.

    Parameters
    ----------
    p : (V,) array
        The full model's probabilities.
    q : (K, V) array
        The probabilities of K subgraphs.
    k : int

    Returns
    -------
    (K,) float64 array, in [0, 1]

    Raises
    ------
    ValueError
        When k is below 1.
    """
    if k < 1:
        raise ValueError(f"The top {k} holds no token to agree on: give k >= 1.")
    expected = leading(p, k)
    return np.array([np.isin(expected, leading(row, k)).mean() for row in q])


def falling(p: Array) -> Array:
    """Return probabilities from the largest to the smallest.

    Parameters
    ----------
    p : (..., V) array
    """
    result: Array = np.sort(_known(p), axis=-1)[..., ::-1]
    return result


def nucleus_size(p: Array, mass: float | tuple[float, ...], sorted_p: Array | None = None) -> Array:
    """Return how many tokens the nucleus holds.

    The nucleus of a share x holds the most probable tokens in order, each kept while the mass *before* it is at most x.

    Parameters
    ----------
    p : (V,) or (K, V) array
        Probabilities.
    mass : float or tuple of N floats
        x in [0, 1], of one nucleus or of several.
    sorted_p : array like p, optional
        ``falling(p)``, if it was computed already.

    Returns
    -------
    int64 array
        () or (K,); with several nuclei (N,) or (K, N).
    """
    before_next = np.cumsum(falling(p) if sorted_p is None else sorted_p, axis=-1)[..., :-1]
    # Nothing is before the first token: it is always in.
    result: Array = 1 + np.apply_along_axis(np.searchsorted, -1, before_next, np.asarray(mass), side="right")
    return result


def recovered_nuclei(p: Array, q: Array, sorted_q: Array | None = None) -> Array:
    """Return the largest of `NUCLEI` whose ordered token lists agree, or 0: the paper's nucleus recovery.

    Parameters
    ----------
    p : (V,) array
        The full model's probabilities.
    q : (K, V) array
        The probabilities of K subgraphs.
    sorted_q : (K, V) array, optional
        ``falling(q)``, if it was computed already.

    Returns
    -------
    (K,) float64 array
    """
    q = _known(q)
    sizes_p, sizes_q = nucleus_size(p, NUCLEI), nucleus_size(q, NUCLEI, sorted_q)
    # Most subgraphs differ among the first few tokens: all others need not be put in order.
    most = int(sizes_p[-1])
    few = min(most, FEW)
    first, all_of_p = leading(p, few), leading(p, most)
    shared = np.array([_agreeing(first, row) for row in q])
    shared[shared == few] = [_agreeing(all_of_p, row) for row in q[shared == few]]
    agree = (sizes_p == sizes_q) & (sizes_p <= shared[:, None])
    result: Array = np.where(agree, NUCLEI, 0.0).max(axis=-1)
    return result


def _agreeing(ids: Array, q: Array) -> int:
    """Return how many of some leading token ids are q's (V,) leading ones, too, in the same order."""
    differ = ids != leading(q, len(ids))
    return int(differ.argmax()) if differ.any() else len(ids)


def _known(values: Array) -> Array:
    """Return values of which none is NaN: NaN differs from nothing, so that it would pass for agreement."""
    if np.isnan(values).any():
        raise NonFiniteError(
            "Some of these probabilities are NaN, so nothing can be said of them. Those of a trace that was loaded "
            "from a file are known for its leading tokens only: give it its model with trace.with_model(model)."
        )
    return values


def faithfulness(figure: Array, full: float, empty: float) -> Array:
    """Return (m - m(empty)) / (m(full) - m(empty)) of the figures m (K,): 1 where a subgraph does what the model does.

    NaN where the model does no more than nothing does. The formula is that of the Mechanistic Interpretability
    Benchmark (Mueller et al. 2025, arXiv 2504.13151).

    Parameters
    ----------
    figure : (K,) array
    full, empty : float
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.where(full == empty, np.nan, (np.asarray(figure) - empty) / (full - empty))
    return result


def first_lasting(n_edges: Array, holds: Array) -> int | None:
    """Return the row from which on something holds at every larger size too; None if it fails at the largest.

    Parameters
    ----------
    n_edges : (K,) int array
    holds : (K,) bool array
    """
    order = np.argsort(n_edges, kind="stable")
    ordered = np.asarray(holds, dtype=bool)[order]
    failures = np.flatnonzero(~ordered)
    first = int(failures[-1]) + 1 if len(failures) else 0
    return int(order[first]) if first < len(ordered) else None


def mean_over_sizes(sizes: Array, values: Array, axis: Axis, at_nothing: float) -> float:
    """Return the mean of values over sizes, by the trapezoid rule: the area over the width.

    Parameters
    ----------
    sizes, values : (K,) arrays
    axis : {"s", "log10 s"}
        Over s, from 0 to the largest size: nine tenths of it lie above a tenth of the edges. Over log10 s, from the
        smallest size to the largest, each decade alike.
    at_nothing : float
        The value at s = 0.

    Raises
    ------
    ValueError
        As `area`.
    """
    if axis == "s":
        sizes, values = np.concatenate([[0.0], sizes]), np.concatenate([[at_nothing], values])
    width = np.ptp(np.log10(sizes)) if axis == "log10 s" else np.ptp(sizes)
    return area(sizes, values, axis) / float(width)


def area(
    sizes: Array, values: Array, axis: Axis = "log10 s", lower: float | None = None, upper: float | None = None
) -> float:
    """Return the area under a curve of values against size, by the trapezoid rule: sum of width x mean height.

    The curve is taken as straight between neighbouring sizes *on the axis chosen*, also where `lower` or `upper` cuts
    between two of them. It is not continued beyond the sizes that were evaluated.

    Parameters
    ----------
    sizes, values : (K,) arrays
        Relative sizes s in (0, 1], in any order, and what was measured at each (total variation, say).
    axis : {"log10 s", "s"}
        Over log10 s the unit is the value's times decades: a constant c from 1e-3 to 1 has the area 3 c. Over s it is
        the value's own, and the same constant has the area 0.999 c.
    lower, upper : float, optional
        Where to begin and end; without them, at the smallest and the largest size. ``lower=1e-3, upper=1`` is the
        paper's range.

    Raises
    ------
    ValueError
        When the axis is unknown, when the sizes do not reach `lower` or `upper`, or when fewer than two different
        sizes are in the range.
    """
    if axis not in {"log10 s", "s"}:
        raise ValueError(f'There is no axis {axis!r}: choose "log10 s" or "s".')
    if len(sizes) == 0:
        raise ValueError("There is no size to take an area over: evaluate at least two.")
    sizes, first = np.unique(np.asarray(sizes, dtype=np.float64), return_index=True)
    values = np.asarray(values, dtype=np.float64)[first]
    lower, upper = sizes[0] if lower is None else lower, sizes[-1] if upper is None else upper
    if lower < sizes[0] or upper > sizes[-1]:
        raise ValueError(
            f"The sizes evaluated go from {sizes[0]:.3g} to {sizes[-1]:.3g}, which does not cover {lower:.3g} to "
            f"{upper:.3g}: evaluate further out, or narrow the range."
        )
    inside = (sizes >= lower) & (sizes <= upper)
    if inside.sum() < 2:  # noqa: PLR2004 - it takes two points to span an area
        raise ValueError(
            f"An area needs two different sizes from {lower:.3g} to {upper:.3g} (evaluated there: {inside.sum()}): "
            "evaluate more sizes, or widen the range."
        )
    place = np.log10 if axis == "log10 s" else np.asarray
    x = place(np.unique([lower, *sizes[inside], upper]))
    heights = np.interp(x, place(sizes), values)
    # np.trapezoid would say this, but numpy 1.26 has it under another name.
    return float((np.diff(x) * (heights[1:] + heights[:-1]) / 2).sum())
