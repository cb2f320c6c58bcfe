"""The standard sweep finds what the whole grid would, in fewer passes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import strace_widgets as sw
from strace_widgets.graph.modes import Modes
from strace_widgets.results import criteria
from strace_widgets.results.adaptive_sweep import BEGUN, CHANGE, DONE, FIRST, ROUNDS, next_sizes, rounds, settled
from strace_widgets.results.sweep import joined
from strace_widgets.studies.prompts import shipped_prompts

LANDMARKS = ("top1", "top5", "tv0.1", "tv0.5", "nucleus20", "nucleus60", "nucleus90")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sizes each call of `STrace.evaluate` asked for."""
    asked: list[int] = []
    honest = sw.STrace.evaluate

    def evaluate(self: sw.STrace, sizes: Any, *args: Any, **modes: Any) -> Any:
        asked.append(len(list(sizes)))
        return honest(self, sizes, *args, **modes)

    monkeypatch.setattr(sw.STrace, "evaluate", evaluate)
    return asked


def steps_apart(sweep: Any, grid: Any) -> dict[str, int]:
    """How many steps of the grid lie between landmarks by a sweep and by the whole grid."""
    found = {}
    for name in LANDMARKS:
        places = [criteria.necessary_edges(each, criteria.named(name)) for each in (sweep, grid)]
        rows = np.searchsorted(grid.n_edges, [grid.n_edges[-1] if place is None else place for place in places])
        found[name] = int(abs(rows[0] - rows[1]))
    return found


def test_sizes_and_figures_are_the_grid_s(tiny_trace: sw.STrace) -> None:
    sizes, sweep = tiny_trace.standard_sizes(), tiny_trace.sweep()
    assert set(sweep.sizes) <= set(sizes)
    assert (sweep.sizes[0], sweep.sizes[-1]) == (sizes[0], sizes[-1])
    assert (np.diff(sweep.n_edges) > 0).all()
    alone = tiny_trace.evaluate(sweep.sizes)
    for name in ("total_variation", "kl", "entropy", "probabilities"):
        np.testing.assert_allclose(getattr(sweep, name), getattr(alone, name), atol=1e-5)
    np.testing.assert_array_equal(sweep.full_probabilities, alone.full_probabilities)
    assert [[token.id for token in row] for row in sweep.top] == [[token.id for token in row] for row in alone.top]


def test_neighbours_that_differ_are_one_step_of_the_grid_apart(tiny_trace: sw.STrace) -> None:
    sweep, grid = tiny_trace.sweep(), tiny_trace.kept(tiny_trace.standard_sizes())
    steps = np.diff(np.searchsorted(grid, sweep.n_edges))
    lower, upper = np.sort([sweep.total_variation[1:], sweep.total_variation[:-1]], axis=0)
    agree = (upper - lower <= CHANGE) & ((lower >= BEGUN) | (upper <= DONE)) & (np.diff(sweep.nucleus) == 0)
    agree &= sweep.top1[1:] == sweep.top1[:-1]
    assert agree[steps > 1].all()


@pytest.mark.parametrize("modes", [{}, {"masks": "mlp+residual"}, {"inverse": True}, {"ablation": "mean"}], ids=str)
def test_landmarks_of_a_tiny_model_are_within_a_step(tiny: Any, modes: dict[str, Any]) -> None:
    for prompt in ("w5 w17 w3 w88 w41 w2", "w1 w1 w1", "w9 w8 w7 w6 w5 w4 w3 w2 w1 w0"):
        trace = sw.trace(tiny, prompt)
        apart = steps_apart(trace.sweep(**modes), trace.evaluate(trace.standard_sizes(), **modes))
        assert max(apart.values()) <= 1


def course(n_edges: list[int], error: Callable[[float], float]) -> Any:
    """What `next_sizes` reads of a sweep, of an error that is given."""
    sizes = np.array(n_edges) / 47
    errors = np.array([error(size) for size in n_edges])
    return SimpleNamespace(
        sizes=sizes,
        total_variation=errors,
        top1=errors < 0.5,
        nucleus=np.zeros(len(sizes)),
        top_agreement=lambda _: errors < 0.5,
    )


@pytest.mark.parametrize("place", range(1, 47))
def test_a_jump_is_found_to_the_step_in_a_few_rounds(place: int) -> None:
    sizes = [n / 47 for n in range(1, 48)]
    known = sorted(np.linspace(1, 47, FIRST).round().astype(int).tolist())

    def error(n: float) -> float:
        return 1.0 if n <= place else 0.0

    count = 1
    while asked := next_sizes(sizes, course(known, error)):
        assert settled(sizes, course(known, error)) < 1
        known = sorted([*known, *(round(size * 47) for size in asked)])
        count += 1
    assert settled(sizes, course(known, error)) == 1
    assert {place, place + 1} <= set(known)
    assert count <= ROUNDS
    assert len(known) <= FIRST + ROUNDS - 1


def test_sweeps_are_joined_by_size(tiny_trace: sw.STrace) -> None:
    sizes = tiny_trace.standard_sizes()
    whole = tiny_trace.evaluate(sizes)
    again = joined(whole.rows(range(1, len(sizes), 2)), whole.rows([*range(0, len(sizes), 2), 1]))
    np.testing.assert_array_equal(again.n_edges, whole.n_edges)
    np.testing.assert_array_equal(again.probabilities, whole.probabilities)
    assert again.top == whole.top


def test_what_was_found_before_is_not_asked_again(tiny_trace: sw.STrace, counted: list[int]) -> None:
    first, *_, last = rounds(tiny_trace, Modes())
    whole = list(counted)
    counted.clear()
    *_, later = rounds(tiny_trace, Modes(), first)
    assert counted == whole[1:]
    np.testing.assert_array_equal(later.n_edges, last.n_edges)
    assert [each.n_edges.tolist() for each in rounds(tiny_trace, Modes(), last)] == [last.n_edges.tolist()]
    assert len(whole) <= ROUNDS


def test_a_server_is_asked_once(remote_tiny: Any, counted: list[int]) -> None:
    trace = sw.trace(remote_tiny, "w5 w17 w3 w88 w41 w2")
    before = remote_tiny.server.traffic.requests
    sweep = trace.sweep()
    assert counted == [len(trace.standard_sizes())] == [len(sweep)]
    assert remote_tiny.server.traffic.requests == before + 1


def test_a_server_that_would_take_many_requests_is_asked_for_less(
    remote_tiny: Any, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = sw.trace(remote_tiny, "w5 w17 w3 w88 w41 w2")
    rows = 2 * trace.graph.n_heads * trace.graph.n_tokens**2
    monkeypatch.setattr("strace_widgets.model.request_estimates.PROBABILITIES_A_PASS", rows)
    assert trace.estimate().requests > ROUNDS
    trace.sweep()
    assert counted[0] == FIRST
    assert sum(counted) < len(trace.standard_sizes())


@pytest.mark.parametrize(("name", "every"), [("smollm2", 50), ("gemma", 100)])
def test_real_prompts_have_the_landmarks_of_the_grid_in_half_of_the_passes(
    name: str, every: int, request: pytest.FixtureRequest
) -> None:
    """``benchmarks/adaptive_sweep.py`` has all prompts."""
    model, shares = request.getfixturevalue(name), []
    for prompt in shipped_prompts(half="tuning")[::every]:
        trace = sw.trace(model, prompt["text"])
        grid = trace.evaluate(trace.standard_sizes())
        shares.append(len(trace.sweep()) / len(grid))
        assert max(steps_apart(trace.sweep(), grid).values()) <= 1
        # Uneven sizes are weighed by their distance: neither axis favours where there are many.
        assert trace.sweep().area() == pytest.approx(grid.area(), rel=0.03)
        assert trace.sweep().area("s") == pytest.approx(grid.area("s"), abs=0.03)
    assert np.median(shares) <= 0.5
