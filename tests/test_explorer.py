"""The widget's Python side: traits in, evaluations out, errors shown and never swallowed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import traitlets
from explorer_steps import settled, wait_for
from ipywidgets.widgets.widget import _remove_buffers

import strace_widgets as sw

V1 = Path(__file__).parent / "v1"


@pytest.fixture
def explorer(tiny_trace: sw.STrace) -> sw.Explorer:
    explorer = tiny_trace.explore()
    wait_for(explorer, lambda: explorer.status["state"] == "ready" and explorer.evaluation is not None)
    return explorer


def test_size_and_number_of_edges_follow_each_other(explorer: sw.Explorer) -> None:
    n_edges = explorer.trace.n_edges
    explorer.size = 0.25
    assert explorer.n_edges == int(0.25 * n_edges)
    explorer.n_edges = 17
    assert int(explorer.size * n_edges) == 17
    assert settled(explorer)["n_edges"] == 17


def test_a_toggle_is_evaluated_and_taken_back(explorer: sw.Explorer) -> None:
    before = settled(explorer)
    explorer.toggles = {"1": "off"}
    after = settled(explorer)
    assert after["toggles"] == {"1.0": "off", "1.1": "off", "1.2": "off", "1.3": "off", "1.mlp": "off"}
    truth = explorer.trace.evaluate([explorer.size], {"1": "off"})
    assert after["total_variation"] == pytest.approx(truth.total_variation[0], abs=1e-6)
    explorer.toggles = {}
    assert settled(explorer) == before


def test_the_last_request_wins_and_outdated_ones_are_dropped(
    explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated, begun, go_on = [], threading.Event(), threading.Event()
    honest = explorer.session.evaluate

    def slow(n_edges: int, toggles: dict[str, str]) -> dict[str, Any]:
        evaluated.append(n_edges)
        begun.set()
        go_on.wait(10)
        return honest(n_edges, toggles)

    monkeypatch.setattr(explorer.session, "evaluate", slow)
    explorer.n_edges = 30
    assert begun.wait(10)
    for n_edges in range(31, 60):
        explorer.n_edges = n_edges
    go_on.set()
    assert settled(explorer)["n_edges"] == 59
    assert evaluated == [30, 59]


def test_a_kernel_error_is_shown_and_the_last_good_result_stays(
    explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = settled(explorer)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the accelerator caught fire")

    with monkeypatch.context() as patched:
        patched.setattr("strace_widgets.model.local_evaluation.evaluate", broken)
        explorer.toggles = {"0.1": "off"}
        wait_for(explorer, lambda: explorer.status["state"] == "error")
    assert "the accelerator caught fire" in explorer.status["message"]
    assert explorer.evaluation == good
    explorer._handle_custom_msg({"kind": "evaluate"}, [])  # "Try again"
    wait_for(explorer, lambda: explorer.status["state"] == "ready")
    assert explorer.evaluation["toggles"] == {"0.1": "off"}


@pytest.mark.parametrize(
    ("trait", "value", "part_of_message"),
    [
        ("size", 0.0, "0 < s <= 1"),
        ("size", 1.5, "0 < s <= 1"),
        ("n_edges", 0, "1 to"),
        ("n_edges", 10**9, "1 to"),
        ("toggles", {"9.0": "off"}, "no layer 9"),
    ],
)
def test_what_does_not_exist_is_refused_in_python_and_shown_when_it_comes_from_the_page(
    explorer: sw.Explorer, trait: str, value: Any, part_of_message: str
) -> None:
    good = settled(explorer)
    with pytest.raises(traitlets.TraitError, match=part_of_message):
        setattr(explorer, trait, value)
    explorer.set_state({trait: value})
    assert explorer.status["state"] == "error"
    assert part_of_message in explorer.status["message"]
    assert explorer.evaluation == good
    explorer.n_edges = 21
    assert settled(explorer)["n_edges"] == 21


@pytest.mark.parametrize(
    "state", [{"evaluation": {}}, {"view_state": None}, {"status": {}}, {"curves": [1]}, {"live": False}]
)
def test_what_python_alone_writes_is_not_taken_from_the_page(explorer: sw.Explorer, state: dict[str, Any]) -> None:
    settled(explorer)
    (name,) = state
    before = getattr(explorer, name)
    explorer.set_state(state)
    assert getattr(explorer, name) == before


@pytest.mark.parametrize(
    "state", [{"n_edges": 10**9}, {"size": 7.0}, {"toggles": {"9.0": "off"}}, {"n_edges": 40, "size": 1.0}]
)
def test_a_single_view_stays_in_step_with_its_session_whatever_comes_from_the_page(
    explorer: sw.Explorer, state: dict[str, Any]
) -> None:
    view = sw.SizeSlider(explorer)
    settled(explorer)
    view.set_state(state | {"explorer": None, "view": "x", "top_tokens": []})
    assert (view.explorer, view.view) == (explorer, "SizeSlider")
    shared = ("n_edges", "size", "toggles", "top_tokens")
    wait_for(explorer, lambda: explorer.status["state"] != "running")
    assert [getattr(view, name) for name in shared] == [getattr(explorer, name) for name in shared]
    with pytest.raises(traitlets.TraitError, match="0 < s <= 1"):
        view.size = 7.0
    assert view.size == explorer.size


def test_what_an_observer_raises_is_shown_and_the_widget_goes_on(explorer: sw.Explorer) -> None:
    def fail(_: Any) -> None:
        raise ZeroDivisionError("my own callback")

    explorer.observe(fail, "evaluation")
    explorer.n_edges = 30
    wait_for(explorer, lambda: explorer.status["state"] != "running")
    assert explorer.status["state"] == "error"
    assert "my own callback (ZeroDivisionError)" in explorer.status["message"]
    explorer.unobserve(fail, "evaluation")
    explorer.n_edges = 31
    assert settled(explorer)["n_edges"] == 31
    assert explorer.status["state"] == "ready"


def test_two_explorers_share_the_model_without_disturbing_each_other(tiny_trace: sw.STrace) -> None:
    first, second = tiny_trace.explore(), tiny_trace.explore()
    first.n_edges, second.n_edges = 40, 90
    assert (settled(first)["n_edges"], settled(second)["n_edges"]) == (40, 90)
    main_thread = tiny_trace.evaluate([0.3])
    first.n_edges = int(main_thread.n_edges[0])
    assert settled(first)["total_variation"] == pytest.approx(main_thread.total_variation[0], abs=1e-6)


def test_single_views_are_in_step_with_the_session(explorer: sw.Explorer) -> None:
    slider, top = sw.SizeSlider(explorer), sw.TopKView(explorer)
    layers = sw.LayerView(slider)
    slider.n_edges = 44
    layers.toggles = {"1.0": "off"}
    evaluation = settled(explorer)
    assert (explorer.n_edges, top.n_edges, layers.n_edges) == (44, 44, 44)
    assert top.toggles == explorer.toggles == {"1.0": "off"}
    assert top.top_tokens[0]["token"] == evaluation["top"][0]["token"]
    assert top.total_variation == evaluation["total_variation"]
    assert slider.explorer is top.explorer is layers.explorer is explorer
    state = slider.get_state()
    assert "view_state" not in state
    assert len(state["_esm"]) < 1000  # the data and the code stay with the Explorer
    top.close()
    explorer.n_edges = 45
    assert (slider.n_edges, top.n_edges) == (45, 44)
    with pytest.raises(TypeError, match="int has none"):
        sw.TokenView(7)


def test_the_state_that_is_sent_is_bounded(tiny_trace: sw.STrace) -> None:
    explorer = tiny_trace.explore()
    state, _, buffers = _remove_buffers(explorer.get_state())
    state.pop("_esm"), state.pop("_css")
    assert sum(len(buffer) for buffer in buffers) + len(str(state)) < 200_000
