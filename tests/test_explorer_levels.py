"""An Explorer opens at once; its levels come a round at a time, may be cancelled, and are all there in an export."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorer_steps import Front, Gate, busy_worker, settings, settled, wait_for
from ipywidgets.embed import embed_data

import strace_widgets as sw
from strace_widgets.explorer.requests import RequestRunner
from strace_widgets.explorer.session import Session
from strace_widgets.graph.modes import Modes
from strace_widgets.results.adaptive_sweep import FIRST, rounds


@pytest.fixture
def explorer(tiny_trace: sw.STrace, gate: Gate) -> Iterator[sw.Explorer]:
    """An Explorer whose first round is held back."""
    del gate
    explorer = tiny_trace.explore()
    yield explorer
    explorer.close()


def array(explorer: sw.Explorer, name: str) -> Any:
    packed = explorer.view_state["arrays"][name]
    return np.frombuffer(packed["data"], dtype=packed["dtype"]).reshape(packed["shape"])


def levels(explorer: sw.Explorer) -> list[int]:
    return array(explorer, "level_n_edges").tolist()


def wait_for_levels(explorer: sw.Explorer, n_levels: int) -> None:
    """Wait until so many levels are shown, and the next round has begun."""
    wait_for(explorer, lambda: f"{n_levels} sizes" in explorer.status["message"])
    assert len(levels(explorer)) == n_levels


def test_the_card_is_there_before_any_level(explorer: sw.Explorer, tiny_trace: sw.STrace) -> None:
    assert levels(explorer) == [tiny_trace.n_edges] == [explorer.n_edges]
    assert explorer.view_state["levels_follow"]
    assert explorer.view_state["landmarks"] == []
    assert explorer.view_state["tokens"] == tiny_trace.tokens
    full = np.exp(tiny_trace.full_logits - np.logaddexp.reduce(tiny_trace.full_logits.astype(float)))
    ids = explorer.view_state["vocabulary_ids"]
    np.testing.assert_allclose(array(explorer, "probabilities")[0], full[ids], atol=1e-6)
    counted = array(explorer, "head_edges")  # at all sizes: the grid and the tokens need no model
    sizes = tiny_trace.standard_sizes()
    assert len(counted) == len(sizes)
    np.testing.assert_array_equal(counted[20], tiny_trace.mask(sizes[20]).attention.sum(axis=(2, 3)))
    assert {key: explorer.status[key] for key in ("state", "kind", "progress")} == {
        "state": "running",
        "kind": "levels",
        "progress": 0,
    }


def test_each_round_is_shown_as_it_comes(explorer: sw.Explorer, tiny_trace: sw.STrace, gate: Gate) -> None:
    seen, told = [], []
    explorer.observe(lambda _: seen.append(levels(explorer)), "view_state")
    explorer.observe(lambda change: told.append(change["new"]), "status")
    gate.let_through()
    wait_for_levels(explorer, FIRST)
    assert explorer.view_state["levels_follow"]
    gate.let_through(100)
    evaluation = settled(explorer)
    expected = [sweep.n_edges.tolist() for sweep in rounds(sw.trace(tiny_trace.model, tiny_trace.token_ids), Modes())]
    assert seen == expected
    assert len(seen) > 1
    assert not explorer.view_state["levels_follow"]
    assert tiny_trace.sweep().n_edges.tolist() == seen[-1]
    shares = [each["progress"] for each in told if each["state"] == "running" and each["kind"] == "levels"]
    assert shares == sorted(shares)
    assert explorer.status["message"] == ""
    # Nobody chose a size: it is where the top token returns for good.
    assert explorer.n_edges == evaluation["n_edges"] == explorer.session.start_size() < tiny_trace.n_edges


def test_sizes_are_chosen_and_evaluated_between_rounds(explorer: sw.Explorer, gate: Gate) -> None:
    gate.let_through()
    wait_for_levels(explorer, FIRST)
    explorer.n_edges = 33  # waits for the round under way
    gate.let_through()
    wait_for(explorer, lambda: explorer.evaluation is not None and explorer.evaluation["n_edges"] == 33)
    assert explorer.status["state"] == "running"  # further levels
    assert explorer.status["kind"] == "levels"
    gate.let_through(100)
    settled(explorer)
    assert explorer.n_edges == 33


def test_levels_are_cancelled_and_gone_on_with(
    explorer: sw.Explorer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = Front(explorer, monkeypatch)
    gate.let_through()
    wait_for_levels(explorer, FIRST)
    assert front.ask("cancel")["ok"]
    gate.let_through()
    settled(explorer)
    assert explorer.status["message"] == "Cancelled: the curve stays as coarse as it is."
    assert len(levels(explorer)) == FIRST
    assert explorer.view_state["levels_follow"]
    gate.let_through(100)
    assert front.ask("levels")["ok"]
    settled(explorer)
    assert levels(explorer) == explorer.trace.sweep().n_edges.tolist()


def test_an_error_is_told_and_tried_again(explorer: sw.Explorer, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    front = Front(explorer, monkeypatch)
    gate.let_through()
    wait_for_levels(explorer, FIRST)
    gate.reason = RuntimeError("the accelerator caught fire")
    gate.let_through()
    wait_for(explorer, lambda: explorer.status["state"] == "error")
    assert "the accelerator caught fire" in explorer.status["message"]
    assert explorer.status["kind"] == "levels"
    assert len(levels(explorer)) == FIRST
    gate.reason = None
    gate.let_through(100)
    assert front.ask("levels")["ok"]
    settled(explorer)
    assert explorer.status["state"] == "ready"
    assert not explorer.view_state["levels_follow"]


def test_another_trace_brings_its_own_levels(
    explorer: sw.Explorer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    front, before = Front(explorer, monkeypatch), explorer.session
    gate.let_through()
    wait_for_levels(explorer, FIRST)
    gate.let_through(2)  # the round under way, and no more of this trace than one
    assert front.ask("trace", settings=settings(explorer, importance="l2"))["ok"]
    assert explorer.view_state["importance"] == "l2"
    gate.let_through(100)
    settled(explorer)
    assert levels(explorer) == explorer.trace.sweep().n_edges.tolist()
    assert explorer.curves == []  # what was before had no curve yet
    assert not before.complete
    back = front.ask("trace", settings=settings(explorer, importance="l1"))
    assert back["ok"]
    settled(explorer)
    assert explorer.session is before
    assert before.complete


def test_a_page_that_ipywidgets_embeds_has_all_levels(explorer: sw.Explorer, gate: Gate) -> None:
    gate.let_through(100)
    state = embed_data([explorer])["manager_state"]["state"][explorer.model_id]["state"]
    assert not state["view_state"]["levels_follow"]
    assert state["n_edges"] == explorer.session.start_size() < explorer.trace.n_edges


@pytest.mark.parametrize("how", ["page", "file"])
def test_what_is_exported_has_all_levels(explorer: sw.Explorer, gate: Gate, tmp_path: Path, how: str) -> None:
    gate.let_through(100)
    explorer.n_edges = 50
    if how == "page":
        page = explorer.to_html(tmp_path / "x.html").read_text()
        state = json.loads(page.split('class="strace-widgets-state">')[1].split("</script>")[0])
    else:
        state = sw.load_trace(explorer.save(tmp_path / "x.strace")).saved_view
    assert not state["view_state"]["levels_follow"]
    assert len(state["view_state"]["landmarks"]) > 1
    assert state["n_edges"] == 50
    settled(explorer)
    assert levels(explorer) == explorer.trace.sweep().n_edges.tolist()


def test_a_level_is_not_run_again(tiny_trace: sw.STrace, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(tiny_trace)
    sweep = session.sweep()
    monkeypatch.setattr(sw.STrace, "evaluate", None)
    n_edges = int(sweep.n_edges[5])
    assert session.evaluate(n_edges, {})["total_variation"] == sweep.total_variation[5]


def test_levels_that_are_there_already_are_shown_at_once(tiny_trace: sw.STrace, gate: Gate) -> None:
    gate.let_through(100)
    tiny_trace.sweep()
    explorer = tiny_trace.explore()
    assert not explorer.view_state["levels_follow"]
    assert settled(explorer)["n_edges"] == explorer.session.start_size()
    explorer.close()


def told_ready(explorer: sw.Explorer) -> list[tuple[Any, Any]]:
    """Collect, each time that all is said to be ready, the size that is shown and that of the result."""
    told: list[tuple[Any, Any]] = []

    def look(change: Any) -> None:
        if change["new"]["state"] == "ready":
            told.append((explorer.n_edges, (explorer.evaluation or {}).get("n_edges")))

    explorer.observe(look, "status")
    return told


def test_ready_is_said_once_nothing_is_to_come(remote_tiny: Any) -> None:
    """All levels of a server come at once, and move the size: its result is still to come then."""
    explorer = sw.trace(remote_tiny, "w5 w17 w3 w88 w41 w2").explore()
    told = told_ready(explorer)
    wait_for(explorer, lambda: explorer.session.complete and explorer.status["state"] == "ready")
    assert explorer.n_edges < explorer.trace.n_edges
    assert told == [(explorer.n_edges, explorer.n_edges)]
    explorer.close()


def test_ready_is_not_said_while_a_later_request_waits(tiny_trace: sw.STrace) -> None:
    explorer = tiny_trace.explore()
    settled(explorer)
    told = told_ready(explorer)
    with busy_worker():
        explorer._messages.hear({"id": "1", "kind": "compare", "names": ["l2"]})
        explorer.toggles = {"1.2": "off"}
        explorer._messages.hear({"id": "2", "kind": "cancel"})
        assert explorer.status["state"] == "running", "the toggle goes on"
    assert settled(explorer)["toggles"] == {"1.2": "off"}
    assert len(told) == 1
    explorer.close()


def on_another_thread(ask: Callable[[], None]) -> threading.Thread:
    """Ask for something on a thread of its own; return it once it has asked, or waits for its turn."""
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(0.2)
    return thread


def test_a_size_that_is_chosen_while_levels_are_shown_stays(tiny_trace: sw.STrace) -> None:
    """A size that nobody chose goes to where the top token returns, and one that somebody chooses just then does not.

    Messages of the page may be handled on another thread than the one that shows answers.
    """
    explorer = tiny_trace.explore()
    honest, asking = explorer.session.start_size, []

    def start_size() -> int:
        if not asking:
            asking.append(on_another_thread(lambda: explorer.set_trait("n_edges", 40)))
        return honest()

    explorer.session.start_size = start_size  # type: ignore[method-assign]
    wait_for(explorer, lambda: bool(asking) and explorer.session.complete)
    asking[0].join()
    assert settled(explorer)["n_edges"] == explorer.n_edges == 40
    explorer.close()


@pytest.mark.parametrize("how", ["python", "page"])
def test_ready_is_not_said_of_what_another_thread_has_just_asked_for(
    tiny_trace: sw.STrace, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    explorer = tiny_trace.explore()
    settled(explorer)
    honest, asking = RequestRunner.state.fget, []
    toggles = {"1.2": "off"}

    def ask() -> None:
        if how == "page":
            explorer.set_state({"toggles": toggles})
        else:
            explorer.toggles = toggles

    def state(runner: RequestRunner) -> str:
        found = honest(runner)  # type: ignore[misc]
        if not asking:
            asking.append(on_another_thread(ask))
        return found

    monkeypatch.setattr(RequestRunner, "state", property(state))
    with busy_worker():
        explorer._messages.hear({"id": "1", "kind": "levels"})  # says what is under way: all levels are there
        asking[0].join()
        assert explorer.status["state"] == "running"
    assert settled(explorer)["toggles"] == toggles
    explorer.close()


def test_a_server_is_asked_for_all_levels_in_one_request(remote_tiny: Any) -> None:
    explorer = sw.trace(remote_tiny, "w5 w17 w3 w88 w41 w2").explore()
    settled(explorer)
    assert remote_tiny.server.traffic.requests == 2  # the trace, and its levels, one of which is shown
    assert levels(explorer) == explorer.trace.kept(explorer.trace.standard_sizes()).tolist()
    explorer.close()
