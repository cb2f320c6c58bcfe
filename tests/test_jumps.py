"""Why the error jumps: the edges that are found are those that evaluating every size between would name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from explorer_steps import Front, wait_for
from hypothesis import given
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.explorer.session import Session
from strace_widgets.explorer.why import found
from strace_widgets.graph.edges import NOT_IN_GRAPH, size_of
from strace_widgets.results.jumps import LISTED, ROUNDS, ROWS, WORTH, JumpSearch


class Steps:
    """Stands for a trace of one head whose error is known: what is asked of it is counted."""

    def __init__(self, errors: list[float]) -> None:
        self.errors, self.asked = errors, 0
        self.n_edges = len(errors)
        ranks = np.full((1, 1, len(errors), len(errors)), NOT_IN_GRAPH)
        ranks[0, 0, :, 0] = np.arange(len(errors))
        none = np.full((1, len(errors)), NOT_IN_GRAPH)
        self.ranks = sw.Edges(ranks, none, none, none)

    def evaluate(self, sizes: Any, **modes: Any) -> Any:
        assert modes == {}
        sizes = list(sizes)
        self.asked += len(sizes)
        assert len(sizes) <= ROWS
        n_edges = self.n_edges
        errors = np.array([self.errors[int(size * n_edges) - 1] for size in sizes])
        return type("Found", (), {"total_variation": errors})


def searched(trace: Any, lower: int, upper: int, **modes: Any) -> JumpSearch:
    search = JumpSearch(trace, lower, upper, modes)
    told = []
    while not search.ended:
        search.step()
        told.append(search.settled)
    assert all(0 <= share <= 1 for share in told)
    assert told[-1] == 1.0
    return search


@given(st.integers(2, 5000), st.data())
def test_a_falling_curve_of_few_steps_gives_all_of_them(n_edges: int, data: st.DataObject) -> None:
    """Whatever lies between: up to four edges make all of it, and bisection finds them in few passes."""
    at = data.draw(st.lists(st.integers(1, n_edges - 1), min_size=1, max_size=LISTED, unique=True))
    drops = data.draw(st.lists(st.floats(0.06, 0.2), min_size=len(at), max_size=len(at)))
    fall = np.zeros(n_edges)
    fall[at] = drops
    trace = Steps((1 - np.cumsum(fall)).tolist())
    search = searched(trace, 1, n_edges)
    large = {rank: drop for rank, drop in zip(at, drops, strict=True) if drop > WORTH * sum(drops) * 1.001}
    edges = search.edges()
    assert {edge.rank for edge in edges} == set(large)
    for edge in edges:
        assert edge.before - edge.after == pytest.approx(large[edge.rank])
        assert (edge.kind, edge.layer, edge.head, edge.target, edge.source) == ("attention", 0, 0, edge.rank, 0)
    assert [e.before - e.after for e in edges] == sorted((e.before - e.after for e in edges), reverse=True)
    assert trace.asked <= 2 + ROUNDS * ROWS


def test_a_gradual_change_is_no_edge_s_and_is_given_up_early() -> None:
    trace = Steps(np.linspace(1, 0, 2000).tolist())
    assert searched(trace, 1, 2000).edges() == []
    assert trace.asked < 100


def test_what_is_flat_ends_at_once() -> None:
    trace = Steps([0.5] * 50)
    assert searched(trace, 1, 50).edges() == []
    assert trace.asked == 2


@pytest.mark.parametrize(("lower", "upper"), [(5, 5), (7, 5), (0, 5), (5, 51)])
def test_two_sizes_are_needed(lower: int, upper: int) -> None:
    with pytest.raises(ValueError, match="1 to 50 edges, the smaller first"):
        JumpSearch(Steps([0.5] * 50), lower, upper)


@pytest.mark.parametrize("masks", ["all", "mlp+residual"])
def test_on_a_real_model_it_is_what_every_size_between_says(smollm2: Any, masks: str) -> None:
    trace = sw.trace(smollm2, "The capital of France is")
    sweep = trace.sweep(masks=masks)
    jump = int(np.abs(np.diff(sweep.total_variation)).argmax())
    lower, upper = (int(n) for n in sweep.n_edges[jump : jump + 2])
    search = searched(trace, lower, upper, masks=masks)
    sizes = np.arange(lower, upper + 1)
    errors = trace.evaluate([size_of(int(n), trace.n_edges) for n in sizes], masks=masks).total_variation
    for edge in search.edges():
        place = edge.rank - lower
        assert (edge.before, edge.after) == pytest.approx((errors[place], errors[place + 1]), abs=1e-5)
        ranks = getattr(trace.ranks, edge.kind)[edge.layer]
        where = (edge.target,) if edge.head is None else (edge.head, edge.target, edge.source)
        assert ranks[where] == edge.rank
    largest = int(np.abs(np.diff(errors)).argmax()) + lower
    assert search.edges()[0].rank == largest  # and here nothing larger hides in what is flat as a whole
    assert len(search.known) < len(sizes) / 2


def test_the_explorer_answers_and_keeps_it(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = front.explorer
    explorer.complete_levels()
    levels = explorer.session.levels
    ends = [int(n) for n in levels.n_edges[-3:-1]]
    assert front.ask("why", n_edges=ends)["ok"]
    (jump,) = explorer.jumps
    assert jump == found(searched(explorer.trace, *ends, masks="all"))
    assert explorer.status["state"] == "ready"
    monkeypatch.setattr(sw.STrace, "evaluate", None)  # it is not asked twice
    assert front.ask("why", n_edges=ends)["ok"]
    assert explorer.jumps == [jump]
    refused = front.ask("why", n_edges=[3, 2])
    assert "the smaller first" in refused["error"]
    assert explorer.jumps == [jump]


def test_it_is_told_and_cancelled(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = front.explorer
    explorer.complete_levels()
    told: list[str] = []
    honest = JumpSearch.step

    def step(search: JumpSearch) -> None:
        explorer._requests.cancel("why") if search.known else None
        honest(search)

    explorer.observe(lambda change: told.append(change["new"]["message"]), "status")
    monkeypatch.setattr(JumpSearch, "step", step)
    answer = front.ask("why", n_edges=[1, explorer.trace.n_edges])
    assert (answer["ok"], answer.get("cancelled")) == (False, True)
    assert explorer.jumps == []
    assert any("looking into the jump" in message for message in told)
    assert "Cancelled" in explorer.status["message"]


def test_jumps_belong_to_their_trace_and_are_saved_with_it(front: Front, tmp_path: Any) -> None:
    explorer = front.explorer
    explorer.complete_levels()
    ends = [int(n) for n in explorer.session.levels.n_edges[-3:-1]]
    front.ask("why", n_edges=ends)
    kept = explorer.jumps
    loaded = sw.load_trace(explorer.save(tmp_path / "tiny.strace")).explore()
    assert loaded.jumps == kept
    loaded.close()
    front.ask("trace", settings=explorer.session.settings.plain() | {"importance": "l2"})
    wait_for(explorer, lambda: explorer.session.complete)
    assert explorer.jumps == []
    front.ask("trace", settings=explorer.session.settings.plain() | {"importance": "l1"})
    assert explorer.jumps == kept


def test_a_session_of_its_own_has_none(tiny_trace: sw.STrace) -> None:
    assert Session(tiny_trace).jumps == []
