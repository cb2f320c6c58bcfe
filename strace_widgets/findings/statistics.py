"""The statistics of the findings, over plain arrays: rank correlation, ratios, a bent line, inequality, likeness.

scipy computes what it offers; the rest is written out with its formula. An undefined statistic is NaN, and a warning
says why.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..extras import stats

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..graph.edges import Array


RESAMPLES = 1000
"""Bootstrap samples behind an interval."""

CONFIDENCE = 0.95
"""The level of confidence intervals: the share of bootstrap samples that an interval covers."""

BENDS = 200
"""How many positions are tried for the bend of a two-segment line."""

_AT_A_TIME = 50  # resamples held in memory together


class Correlation(NamedTuple):
    """Spearman's rank correlation of `n` pairs, with a percentile bootstrap interval."""

    value: float
    low: float
    high: float
    n: int


class Interval(NamedTuple):
    """A statistic, and its confidence interval at the level `CONFIDENCE`."""

    value: float
    low: float
    high: float


class Bend(NamedTuple):
    """The least-squares line of two segments that meet: one entry a curve.

    Attributes
    ----------
    at : (B,) array
        The abscissa where the segments meet.
    left_slope, right_slope : (B,) arrays
        Ordinate per unit of the abscissa, before and after it.
    """

    at: Array
    left_slope: Array
    right_slope: Array


def spearman(x: Array, y: Array, *, seed: int = 0) -> Correlation:
    """Correlate the ranks of paired values; pairs with a missing value are left out.

    Parameters
    ----------
    x, y : (N,) arrays
    seed : int
        The seed of the bootstrap over pairs (`RESAMPLES` samples, `CONFIDENCE` of them inside).

    Returns
    -------
    Correlation
        NaN, with a warning, below 3 pairs or if one side is constant.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(x) < 3:  # noqa: PLR2004 - two pairs correlate by 1 or -1 whatever they hold
        warnings.warn(
            f"A rank correlation needs at least 3 prompts with both values; there are {len(x)}.", stacklevel=2
        )
        return Correlation(np.nan, np.nan, np.nan, len(x))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        warnings.warn(f"A rank correlation is undefined where all {len(x)} values of one side are equal.", stacklevel=2)
        return Correlation(np.nan, np.nan, np.nan, len(x))
    low, high = _bootstrapped(_rank_correlation, x, y, seed)
    return Correlation(float(stats.spearmanr(x, y).statistic), low, high, len(x))


def _of_pairs(statistic: Callable[..., Array], x: Array, y: Array, seed: int) -> Interval:
    """Return a statistic of N pairs with its interval."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return Interval(float(statistic(x, y)), *_bootstrapped(statistic, x, y, seed))


def _bootstrapped(statistic: Callable[..., Array], x: Array, y: Array, seed: int) -> tuple[float, float]:
    """Return the percentile interval of a statistic of N pairs, over resamples of the pairs; NaN below two.

    In a small sample a resample may be constant. A correlation is undefined there: the interval is of the others.
    """
    if len(x) < 2:  # noqa: PLR2004 - one pair has nothing to vary
        return np.nan, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        resampled = stats.bootstrap(
            (x, y),
            statistic,
            paired=True,
            vectorized=True,
            method="percentile",
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            batch=_AT_A_TIME,
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
    resampled = resampled[np.isfinite(resampled)]
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [edge, 1 - edge]) if len(resampled) else (np.nan, np.nan)
    return float(low), float(high)


def _rank_correlation(x: Array, y: Array, axis: int = -1) -> Array:
    """Return Spearman's correlation along the last axis: Pearson's of the mean ranks."""
    ranks = [stats.rankdata(values, axis=axis) for values in (x, y)]
    first, second = (rank - rank.mean(axis=axis, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):  # 0 / 0 for a constant resample
        result: Array = (first * second).sum(axis) / np.sqrt((first**2).sum(axis) * (second**2).sum(axis))
    return result


def ratio_of_medians(x: Array, y: Array, *, seed: int = 0) -> Interval:
    """Return median(x) / median(y) of N pairs, with a percentile bootstrap interval over the pairs.

    Parameters
    ----------
    x, y : (N,) arrays
        Positive.
    seed : int
        The seed of the bootstrap (`RESAMPLES` samples). With a single pair the interval is NaN.
    """
    return _of_pairs(lambda x, y, axis=-1: np.median(x, axis=axis) / np.median(y, axis=axis), x, y, seed)


def median_ratio(x: Array, y: Array, *, seed: int = 0) -> Interval:
    """Return median(x / y) of N pairs, with a percentile bootstrap interval over the pairs.

    Parameters
    ----------
    x, y : (N,) arrays
        Positive.
    seed : int
        The seed of the bootstrap (`RESAMPLES` samples). With a single pair the interval is NaN.
    """
    return _of_pairs(lambda x, y, axis=-1: np.median(x / y, axis=axis), x, y, seed)


def share(count: int, n: int) -> Interval:
    """Return count / n with Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22), by scipy.

    Parameters
    ----------
    count, n : int
        How many of how many; n is 1 or more.
    """
    found = stats.binomtest(int(count), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(count / n, float(found.low), float(found.high))


def two_segments(x: Array, curves: Array) -> Bend:
    """Fit y = a + b x + c max(0, x - k) to each curve, by least squares over a, b, c and `BENDS` positions k.

    Parameters
    ----------
    x : (K,) array
        Ascending, at least 5 of them: each segment must hold two points beside the bend.
    curves : (B, K) array

    Returns
    -------
    Bend
        NaN for a straight curve, since any bend then fits equally well.

    Raises
    ------
    ValueError
        When there are fewer than 5 abscissae, or they do not ascend.
    """
    x, curves = np.asarray(x, dtype=np.float64), np.atleast_2d(np.asarray(curves, dtype=np.float64))
    if len(x) < 5 or (np.diff(x) <= 0).any():  # noqa: PLR2004
        raise ValueError(f"A line of two segments needs at least 5 ascending sizes; there are {len(np.unique(x))}.")
    bends = np.linspace(x[1], x[-2], BENDS)
    line = np.stack([np.ones_like(x), x], axis=1)
    designs = [np.column_stack([line, np.maximum(0, x - bend)]) for bend in bends]
    solutions = np.stack([np.linalg.pinv(design) for design in designs])  # (BENDS, 3, K)
    coefficients = np.einsum("kij,bj->kbi", solutions, curves)
    fitted = np.einsum("kji,kbi->kbj", np.stack(designs), coefficients)
    errors = ((curves - fitted) ** 2).sum(-1)
    best, rows = errors.argmin(axis=0), np.arange(len(curves))
    _, slope, change = coefficients[best, rows].T
    straight = curves @ (np.eye(len(x)) - line @ np.linalg.pinv(line))
    bent = (straight**2).sum(-1) > 1e-12 * (1 + (curves**2).sum(-1))  # above rounding
    return Bend(*(np.where(bent, values, np.nan) for values in (bends[best], slope, slope + change)))


def bend_interval(x: Array, curves: Array, *, seed: int = 0) -> tuple[Bend, float, float]:
    """Fit two segments to the mean of N curves, and bootstrap over the curves where they meet.

    Parameters
    ----------
    x : (K,) array
    curves : (N, K) array
    seed : int

    Returns
    -------
    bend, low, high
        The bend of the mean curve (arrays of one entry), and where `CONFIDENCE` of the resampled means bend.
    """
    curves = np.asarray(curves, dtype=np.float64)
    n, generator = len(curves), np.random.default_rng(seed)
    # A resample is how often each curve was drawn; its mean is then one matrix product, with no copy of the curves.
    means = np.concatenate(
        [
            generator.multinomial(n, np.full(n, 1 / n), size=_AT_A_TIME) @ curves / n
            for _ in range(RESAMPLES // _AT_A_TIME)
        ]
    )
    at = np.concatenate([two_segments(x, batch).at for batch in np.array_split(means, RESAMPLES // _AT_A_TIME)])
    edge = (1 - CONFIDENCE) / 2
    at = at[np.isfinite(at)]
    low, high = np.quantile(at, [edge, 1 - edge]) if n > 1 and len(at) else (np.nan, np.nan)
    return two_segments(x, curves.mean(axis=0)), float(low), float(high)


def lorenz(amounts: Array) -> tuple[Array, Array]:
    """Return the Lorenz curve of N amounts: (N + 1,) shares of the holders, poorest first, and (N + 1,) of the whole.

    The shares of the whole are NaN if all amounts are 0.

    Parameters
    ----------
    amounts : (N,) array
        0 or more.
    """
    ordered = np.sort(np.asarray(amounts, dtype=np.float64))
    held = np.concatenate([[0.0], ordered.cumsum()])
    with np.errstate(invalid="ignore"):
        return np.linspace(0, 1, len(held)), held / held[-1]


def gini(amounts: Array) -> float:
    """Return the Gini coefficient: 0 if all amounts are equal, (N - 1) / N if one is all there is.

    One minus twice the area under `lorenz`, by trapezoids; the mean absolute difference over twice the mean.

    Parameters
    ----------
    amounts : (N,) array
        0 or more.
    """
    holders, held = lorenz(amounts)
    return float(1 - ((held[1:] + held[:-1]) * np.diff(holders)).sum())


def linear_cka(x: Array, y: Array) -> float:
    """Return linear centred kernel alignment of two sets of states of the same N prompts, in [0, 1].

    ||Y' X||^2 / (||X' X|| ||Y' Y||), Frobenius norms of the column-centred (N, d) matrices (Kornblith et al. 2019,
    arXiv 1905.00414). NaN where the states of one side are all the same.

    Parameters
    ----------
    x : (N, d) array
    y : (N, e) array
    """
    x, y = (np.asarray(states, dtype=np.float64) - np.mean(states, axis=0, dtype=np.float64) for states in (x, y))
    if len(x) < max(x.shape[1], y.shape[1]):  # the (N, N) form is the same number, and then smaller
        first, second = x @ x.T, y @ y.T
        shared, own = (first * second).sum(), np.linalg.norm(first) * np.linalg.norm(second)
    else:
        shared, own = np.linalg.norm(y.T @ x) ** 2, np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(shared / own) if own > 0 else np.nan


def path_shape(states: Array, x: Array) -> tuple[Array, Array]:
    """Return how fast a path moves, and how sharply it turns.

    Parameters
    ----------
    states : (..., K, d) array
    x : (K,) array
        The position of each state on the axis, ascending.

    Returns
    -------
    speed : (..., K) array
        Distance to the state before, per unit of the axis; NaN at the first.
    turn : (..., K) array
        The angle in degrees between the steps before and after a state: 0 goes straight on, 180 turns back. NaN at
        both ends and where a step has no length.
    """
    steps = np.diff(np.asarray(states, dtype=np.float64), axis=-2)
    lengths = np.linalg.norm(steps, axis=-1)
    nothing = np.full((*lengths.shape[:-1], 1), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (steps[..., 1:, :] * steps[..., :-1, :]).sum(-1) / (lengths[..., 1:] * lengths[..., :-1])
    turn = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return np.concatenate([nothing, lengths / np.diff(x)], axis=-1), np.concatenate([nothing, turn, nothing], axis=-1)
