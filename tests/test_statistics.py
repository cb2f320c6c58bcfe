"""Each statistic against scipy, numpy or a brute-force count on small data."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from strace_widgets.findings import statistics

RANDOM = np.random.default_rng(3)


def test_spearman_is_scipys_and_its_interval_holds_it() -> None:
    x = RANDOM.normal(size=60)
    y = x + RANDOM.normal(size=60)
    found = statistics.spearman(x, y, seed=1)
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.low < found.value < found.high
    assert found == statistics.spearman(x, y, seed=1)
    # The interval narrows with the number of pairs, and the bootstrap agrees with Fisher's formula to a few hundredths.
    x, y = np.tile(x, 20), np.tile(y, 20)
    more = statistics.spearman(x, y)
    assert more.high - more.low < (found.high - found.low) / 3
    fisher = np.tanh(np.arctanh(found.value) + np.array([-1.96, 1.96]) * np.sqrt(1.06 / (60 - 3)))
    assert np.abs(np.array([found.low, found.high]) - fisher).max() < 0.1


def test_the_rank_correlation_of_many_resamples_is_scipys_of_each() -> None:
    x, y = RANDOM.integers(0, 6, size=(2, 5, 20))  # with ties
    each = [stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    assert statistics._rank_correlation(x, y) == pytest.approx(each)


@pytest.mark.parametrize(
    ("x", "y", "n", "says"),
    [
        ([1.0, 1, 1, 1], [1.0, 2, 3, 4], 4, "undefined where all 4 values"),
        ([1.0], [2.0], 1, "at least 3 prompts with both values; there are 1"),
        ([1.0, 2, np.nan, 4], [1.0, np.nan, 3, 4], 2, "there are 2"),
    ],
)
def test_spearman_says_why_it_is_undefined(x: Any, y: Any, n: int, says: str) -> None:
    with pytest.warns(UserWarning, match=says):
        found = statistics.spearman(np.array(x), np.array(y))
    assert np.isnan(found[:3]).all()
    assert found.n == n


def test_ratios_are_of_pairs_and_their_intervals_what_all_resamples_say() -> None:
    x, y = np.array([0.2, 0.5, 0.9, 0.4]), np.array([0.4, 0.5, 0.3, 0.8])
    draws = np.array(list(itertools.product(range(4), repeat=4)))
    of_medians, of_pairs = statistics.ratio_of_medians(x, y), statistics.median_ratio(x, y)
    assert of_medians.value == pytest.approx(0.45 / 0.45)
    assert of_pairs.value == pytest.approx(np.median([0.5, 1, 3, 0.5]))
    every = np.median(x[draws], axis=1) / np.median(y[draws], axis=1)
    assert of_medians[1:] == pytest.approx(tuple(np.quantile(every, [0.025, 0.975])), rel=0.1)
    every = np.median((x / y)[draws], axis=1)
    assert of_pairs[1:] == pytest.approx(tuple(np.quantile(every, [0.025, 0.975])), rel=0.1)
    assert of_pairs == statistics.median_ratio(x, y)
    alone = statistics.ratio_of_medians(x[:1], y[:1])
    assert alone.value == 0.5
    assert np.isnan(alone[1:]).all()


@pytest.mark.parametrize(("count", "n"), [(0, 10), (7, 10), (100, 100)])
def test_a_share_has_wilsons_interval(count: int, n: int) -> None:
    z = stats.norm.ppf(0.975)
    middle, half = (count / n + z**2 / (2 * n)), z * np.sqrt(count * (n - count) / n**3 + z**2 / (4 * n**2))
    expected = (count / n, *((middle + side * half) / (1 + z**2 / n) for side in (-1, 1)))
    assert statistics.share(count, n) == pytest.approx(expected)


def test_two_segments_find_the_bend_that_brute_force_finds() -> None:
    x = np.linspace(-4, 0, 25)
    exact = 0.9 - 0.3 * (x + 4) + 0.25 * np.maximum(0, x + 1.7)
    noisy = exact + RANDOM.normal(scale=0.01, size=(3, 25))

    def error(parameters: Any, curve: Any) -> float:
        a, b, c, k = parameters
        return float(((a + b * x + c * np.maximum(0, x - k) - curve) ** 2).sum())

    bend = statistics.two_segments(x, np.stack([exact, *noisy]))
    assert bend.at[0] == pytest.approx(-1.7, abs=0.02)
    assert bend.left_slope[0] == pytest.approx(-0.3, abs=0.005)
    assert bend.right_slope[0] == pytest.approx(-0.05, abs=0.005)
    for row, curve in enumerate(noisy, start=1):
        starts = [(0, -0.3, 0.2, k) for k in (-3, -2, -1)]
        best = min((optimize.minimize(error, s, (curve,), "Nelder-Mead", options={"maxiter": 4000}) for s in starts),
                   key=lambda found: found.fun)  # fmt: skip
        assert bend.at[row] == pytest.approx(best.x[3], abs=0.03)


def test_a_straight_line_has_no_bend_and_four_sizes_no_fit() -> None:
    x = np.linspace(0, 1, 9)
    assert all(np.isnan(part).all() for part in statistics.two_segments(x, np.stack([2 - x, np.full(9, 0.5)])))
    with pytest.raises(ValueError, match="at least 5 ascending sizes; there are 4"):
        statistics.two_segments(x[:4], x[:4])


def test_the_bends_interval_covers_it_and_one_curve_has_none() -> None:
    x = np.linspace(-4, 0, 25)
    at = RANDOM.normal(-2, 0.4, size=(40, 1))
    curves = 1 - 0.4 * (x + 4) + 0.35 * np.maximum(0, x - at)
    bend, low, high = statistics.bend_interval(x, curves)
    assert low < bend.at[0] < high
    assert low < -2 < high
    assert high - low < 0.6
    one, low, high = statistics.bend_interval(x, curves[:1])
    assert one.at[0] == pytest.approx(at[0, 0], abs=0.03)
    assert np.isnan([low, high]).all()


def test_gini_is_the_mean_absolute_difference() -> None:
    amounts = RANDOM.exponential(size=30)
    differences = [abs(a - b) for a, b in itertools.product(amounts, repeat=2)]
    assert statistics.gini(amounts) == pytest.approx(np.mean(differences) / (2 * amounts.mean()))
    assert statistics.gini(np.ones(7)) == pytest.approx(0)
    assert statistics.gini(np.eye(8)[0]) == pytest.approx(7 / 8)
    assert np.isnan(statistics.gini(np.zeros(4)))
    holders, held = statistics.lorenz(np.array([3.0, 1]))
    assert holders.tolist() == [0, 0.5, 1]
    assert held.tolist() == [0, 0.25, 1]


@pytest.mark.parametrize("n", [5, 40])
def test_cka_is_the_alignment_of_centred_kernels(n: int) -> None:
    x, y = RANDOM.normal(size=(n, 12)), RANDOM.normal(size=(n, 9))
    centre = np.eye(n) - 1 / n
    first, second = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    expected = np.trace(first @ second) / np.sqrt(np.trace(first @ first) * np.trace(second @ second))
    assert statistics.linear_cka(x, y) == pytest.approx(expected)
    rotation = np.linalg.qr(RANDOM.normal(size=(12, 12)))[0]
    assert statistics.linear_cka(x, 3 * x @ rotation + 7) == pytest.approx(1)
    assert np.isnan(statistics.linear_cka(x, np.ones((n, 4))))


def test_a_path_around_a_square_turns_by_right_angles() -> None:
    square = np.array([[0, 0], [0, 2], [2, 2], [2, 0], [2, 0]])
    speed, turn = statistics.path_shape(square, np.array([0.0, 1, 2, 4, 5]))
    assert speed[1:].tolist() == [2, 2, 1, 0]
    assert turn[1:3] == pytest.approx([90, 90])
    assert np.isnan([speed[0], turn[0], turn[3], turn[4]]).all()
