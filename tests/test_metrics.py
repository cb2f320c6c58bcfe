"""The measures of agreement, against their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strace_widgets.results import metrics
from strace_widgets.results.sweep import NUCLEUS, Sweep, compare, top_tokens

V = 12
logits = arrays(np.float32, V, elements=st.floats(-8, 8, width=32))
tied = arrays(np.float32, V, elements=st.sampled_from([-1.0, 0.0, 1.0, 2.0]))  # few values: ties are the rule
several = arrays(np.float32, (3, V), elements=st.floats(-8, 8, width=32))
far_apart = arrays(np.float32, V, elements=st.sampled_from([0.0, 5.0, 900.0]))  # probabilities underflow to 0
tokens = st.integers(0, V - 1)
axes = st.sampled_from(["log10 s", "s"])
SIZES = np.array([1e-4, 1e-3, 0.02, 0.1, 0.5, 1.0])
curves = arrays(np.float64, len(SIZES), elements=st.floats(0, 1))
ends = st.tuples(st.floats(1e-4, 1e-3), st.floats(0.5, 1))


def probabilities(values: Any) -> Any:
    return np.exp(metrics.log_probabilities(values))


def by_probability(p: Any) -> list[int]:
    return sorted(range(len(p)), key=lambda i: (-p[i], i))


def nucleus_as_defined(p: Any, share: float) -> list[int]:
    """Tokens by falling probability, each kept while the mass before it is at most the share."""
    mass, kept = 0.0, []
    for token in by_probability(p):
        if mass > share:
            break
        kept.append(token)
        mass += p[token]
    return kept


def sweep_of(full: Any, rows: Any, sizes: Any, next_token: int | None = None) -> Sweep:
    n_edges = np.arange(1, len(sizes) + 1)
    return compare(full, rows, sizes, n_edges, n_edges, str, next_token=next_token)


@given(logits, logits)
def test_recovered_nucleus_is_the_largest_that_agrees(first: Any, second: Any) -> None:
    p, q = probabilities(first), probabilities(second)
    agree = [n for n in metrics.NUCLEI if nucleus_as_defined(p, n) == nucleus_as_defined(q, n)]
    assert metrics.recovered_nuclei(p, q[None])[0] == max(agree, default=0)


@given(logits, st.integers(0, V - 1))
def test_recovered_nucleus_sees_two_tokens_swapped(values: Any, place: int) -> None:
    # Independent draws hardly ever agree beyond the first token; a swap in an order leaves all before it equal.
    p = probabilities(values)
    q = p.copy()
    order = by_probability(p)
    q[[order[place - 1], order[place]]] = q[[order[place], order[place - 1]]]
    agree = [n for n in metrics.NUCLEI if nucleus_as_defined(p, n) == nucleus_as_defined(q, n)]
    assert metrics.recovered_nuclei(p, np.array([q, p])).tolist() == [max(agree, default=0), 0.99]


@given(logits | tied, st.floats(0, 0.99))
def test_nucleus_size_is_the_length_of_the_nucleus(values: Any, share: float) -> None:
    p = probabilities(values)
    size = len(nucleus_as_defined(p, share))
    assert metrics.nucleus_size(p, share) == size
    assert metrics.nucleus_size(np.array([p, p]), share, metrics.falling(np.array([p, p]))).tolist() == [size, size]
    assert metrics.nucleus_size(p, (share, 0)).tolist() == [size, 1]


def test_a_nucleus_keeps_the_token_before_which_the_mass_is_exactly_the_share() -> None:
    assert metrics.nucleus_size(np.array([0.25, 0.5, 0.25]), (0.49, 0.5, 0.51)).tolist() == [1, 2, 2]


@given(logits, logits)
def test_distances_behave(first: Any, second: Any) -> None:
    log_p, log_q = metrics.log_probabilities(first), metrics.log_probabilities(second)
    p, q = np.exp(log_p), np.exp(log_q)
    variation = metrics.total_variation(p, q)
    assert 0 <= variation <= 1
    assert metrics.total_variation(p, p) == 0
    # Pinsker: TV <= sqrt(KL / 2).
    assert variation <= np.sqrt(metrics.kl_divergence(log_p, log_q) / 2) + 1e-6
    assert 0 <= metrics.entropy(log_p) <= np.log(V) + 1e-9


@given(logits, logits)
def test_jensen_shannon_is_as_defined(first: Any, second: Any) -> None:
    p, q = probabilities(first), probabilities(second)
    m = (p + q) / 2
    expected = sum(p[i] * np.log(p[i] / m[i]) + q[i] * np.log(q[i] / m[i]) for i in range(V)) / 2
    log_p, log_q = metrics.log_probabilities(first), metrics.log_probabilities(second)
    assert metrics.jensen_shannon(log_p, log_q) == pytest.approx(expected, abs=1e-12)
    assert metrics.jensen_shannon(log_p, np.array([log_q, log_p])) == pytest.approx([expected, 0], abs=1e-12)


@given(logits | far_apart, logits | far_apart)
def test_jensen_shannon_is_symmetric_and_bounded(first: Any, second: Any) -> None:
    log_p, log_q = metrics.log_probabilities(first), metrics.log_probabilities(second)
    divergence = metrics.jensen_shannon(log_p, log_q)
    assert 0 <= divergence <= np.log(2)
    assert divergence == metrics.jensen_shannon(log_q, log_p)
    # Lin's bound: JSD <= ln 2 TV, and Pinsker's, twice: JSD >= TV^2 / 2.
    variation = metrics.total_variation(np.exp(log_p), np.exp(log_q))
    assert variation**2 / 2 - 1e-9 <= divergence <= np.log(2) * variation + 1e-9


@given(logits | tied, tokens)
def test_rank_and_loss_of_a_token(values: Any, token: int) -> None:
    log_p = metrics.log_probabilities(values)
    p = np.exp(log_p)
    assert metrics.token_rank(np.array([p, p[::-1]]), token).tolist() == [
        by_probability(p).index(token),
        by_probability(p[::-1]).index(token),
    ]
    assert metrics.token_loss(log_p, token) == pytest.approx(-np.log(p[token]), abs=1e-9)


@given(logits | tied, st.integers(1, 20))
def test_top_tokens_are_the_most_probable(values: Any, n_tokens: int) -> None:
    p = probabilities(values)
    top = top_tokens(p, str, n_tokens)
    expected = by_probability(p)[:n_tokens]
    assert [token.id for token in top] == expected
    assert [token.token for token in top] == [str(i) for i in expected]


@given(logits | tied, logits | tied, st.integers(1, V))
def test_top_agreement_is_the_share_of_leading_tokens(first: Any, second: Any, k: int) -> None:
    p, q = probabilities(first), probabilities(second)
    shared = set(by_probability(p)[:k]) & set(by_probability(q)[:k])
    assert metrics.top_agreement(p, np.array([q, p]), k).tolist() == [len(shared) / k, 1]


def test_the_top_0_is_refused() -> None:
    with pytest.raises(ValueError, match="k >= 1"):
        metrics.top_agreement(np.ones(V) / V, np.ones((1, V)) / V, 0)


def test_area_of_a_worked_example() -> None:
    sizes, values = np.array([1, 0.01, 0.1]), np.array([0, 1, 0.5])  # in any order
    assert metrics.area(sizes, values) == pytest.approx(0.75 + 0.25)
    assert metrics.area(sizes, values, "s") == pytest.approx(0.09 * 0.75 + 0.9 * 0.25)


@given(st.floats(0, 1), axes, ends)
def test_area_of_a_constant_is_it_times_the_width(constant: float, axis: Any, bounds: tuple[float, float]) -> None:
    lower, upper = bounds
    width = np.log10(upper / lower) if axis == "log10 s" else upper - lower
    area = metrics.area(SIZES, np.full(len(SIZES), constant), axis, lower, upper)
    assert area == pytest.approx(constant * width, abs=1e-9)


@given(axes, ends)
def test_area_interpolates_on_its_own_axis(axis: Any, bounds: tuple[float, float]) -> None:
    x, first, last = (np.log10(v) if axis == "log10 s" else v for v in (SIZES, *bounds))
    # Under the straight line y = x the trapezoid rule is exact, wherever it is cut.
    assert metrics.area(SIZES, x, axis, *bounds) == pytest.approx((last**2 - first**2) / 2, abs=1e-9)


@given(curves, curves, axes, ends)
def test_area_grows_with_the_curve_and_adds_up(first: Any, second: Any, axis: Any, bounds: tuple[float, float]) -> None:
    lower, upper = bounds
    whole = metrics.area(SIZES, first, axis, lower, upper)
    assert whole <= metrics.area(SIZES, np.maximum(first, second), axis, lower, upper) + 1e-9
    parts = metrics.area(SIZES, first, axis, lower, 0.05) + metrics.area(SIZES, first, axis, 0.05, upper)
    assert whole == pytest.approx(parts, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"lower": 0.2, "upper": 0.9}, r"two different sizes from 0.2 to 0.9 \(evaluated there: 1\)"),
        ({"lower": 1e-5}, "does not cover 1e-05 to 1"),
        ({"upper": 2}, "does not cover 0.0001 to 2"),
        ({"axis": "log2 s"}, "no axis 'log2 s'"),
        ({"sizes": [], "values": []}, "no size to take an area over"),
        ({"sizes": [0.5, 0.5], "values": [0.1, 0.1]}, "needs two different sizes from 0.5 to 0.5"),
    ],
)
def test_area_says_what_it_lacks(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        metrics.area(**{"sizes": SIZES, "values": SIZES, **arguments})


@given(logits, several, tokens, st.integers(1, V))
def test_a_sweep_carries_every_measure(full: Any, rows: Any, token: int, k: int) -> None:
    sizes = [0.01, 0.1, 1]
    sweep = sweep_of(full, rows, sizes, token)
    assert sweep.loss is not None
    assert sweep.rank is not None
    log_p, log_rows = metrics.log_probabilities(full), metrics.log_probabilities(rows)
    for row, (log_q, q) in enumerate(zip(log_rows, np.exp(log_rows), strict=True)):
        assert sweep.jensen_shannon[row] == pytest.approx(metrics.jensen_shannon(log_p, log_q), abs=1e-12)
        assert sweep.nucleus_size[row] == len(nucleus_as_defined(q, NUCLEUS))
        assert sweep.nucleus[row] == metrics.recovered_nuclei(np.exp(log_p), q[None])[0]
        assert sweep.loss[row] == -log_q[token]
        assert sweep.rank[row] == by_probability(q).index(token)
        shared = {*by_probability(sweep.full_probabilities)[:k]} & {*by_probability(sweep.probabilities[row])[:k]}
        assert sweep.top_agreement(k)[row] == len(shared) / k
    low, middle, high = sweep.total_variation
    assert sweep.area() == pytest.approx((low + 2 * middle + high) / 2)
    assert sweep.area("s", lower=0.1) == pytest.approx(0.9 * (middle + high) / 2)


@pytest.mark.parametrize("token", [-1, V])
def test_a_next_token_is_optional_but_must_exist(token: int) -> None:
    sweep = sweep_of(np.zeros(V), np.zeros((2, V)), [0.1, 1])
    assert sweep.loss is None
    assert sweep.rank is None
    with pytest.raises(ValueError, match=f"no token {token}: the model's ids go from 0 to 11"):
        sweep_of(np.zeros(V), np.zeros((2, V)), [0.1, 1], token)
