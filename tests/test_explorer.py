"""The widget's Python side: traits in, evaluations out, errors shown and never swallowed."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import traitlets
from explorer_steps import Front, settings, settled, wait_for
from ipywidgets.widgets.widget import _remove_buffers

import strace_widgets as sw
from strace_widgets.explorer import session as sessions
from strace_widgets.explorer.worker import worker

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
        patched.setattr("strace_widgets.interventions.masked.evaluate", broken)
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


@pytest.fixture
def front(explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch) -> Front:
    return Front(explorer, monkeypatch)


def test_a_kernel_says_hello(front: Front) -> None:
    assert front.ask("hello")["ok"]
    assert not front.ask("nonsense")["ok"]


@pytest.mark.parametrize(
    "change",
    [{"importance": "l2"}, {"masks": "mlp+residual"}, {"prompt": "w9 w8 w7", "position": -1}, {"position": 2}],
    ids=str,
)
def test_another_trace_is_computed_on_request(front: Front, change: dict[str, Any]) -> None:
    explorer = front.explorer
    explorer.toggles = {"1.2": "off"}
    stages = []
    explorer.observe(lambda event: stages.append(event["new"]["message"]), "status")
    wanted = settings(explorer, **change)
    assert front.ask("trace", settings=wanted, n_edges=60, toggles={"0.mlp": "off"})["ok"]
    evaluation = settled(explorer)
    if "prompt" in change:
        wanted["position"] = 2  # the last token of the new prompt
    assert settings(explorer) == wanted
    assert explorer.n_edges == evaluation["n_edges"] == 60
    assert explorer.toggles == {"0.mlp": "off"}
    length = explorer.view_state["position"] + 1
    assert len(explorer.view_state["tokens"]) == length
    assert explorer.view_state["all_tokens"][:length] == explorer.view_state["tokens"]
    assert any("subgraphs" in message for message in stages)
    truth = sw.trace(explorer.trace.model, explorer.trace.token_ids[:length], wanted["importance"]).evaluate(
        [explorer.size], {"0.mlp": "off"}, masks=wanted["masks"]
    )
    assert evaluation["total_variation"] == pytest.approx(truth.total_variation[0], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "part_of_message"),
    [
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "w1 " * 40}, "at most 32"),
        ({"importance": "l7"}, "no importance measure 'l7'"),
        ({"masks": "few"}, "choose 'all' or 'mlp+residual'"),
        ({"position": 99}, "positions are 0 to 5"),
    ],
)
def test_settings_that_do_not_exist_leave_everything_as_it_was(
    front: Front, change: dict[str, Any], part_of_message: str
) -> None:
    explorer = front.explorer
    before = settled(explorer), settings(explorer), explorer.n_edges
    answer = front.ask("trace", settings=settings(explorer, **change))
    assert not answer["ok"]
    assert part_of_message in answer["error"]
    assert explorer.status["state"] == "error"
    assert part_of_message in explorer.status["message"]
    assert (dict(explorer.evaluation), settings(explorer), explorer.n_edges) == before
    explorer.n_edges = 21
    assert settled(explorer)["n_edges"] == 21


def test_other_curves_are_computed_on_request(front: Front) -> None:
    explorer = front.explorer
    assert front.ask("compare", names=["l2", "inverse", "random"])["ok"]
    assert [curve["name"] for curve in explorer.curves] == ["l2", "inverse", "random"]
    assert [curve["kind"] for curve in explorer.curves] == ["measure", "baseline", "baseline"]
    levels = explorer.trace.sweep().n_edges.tolist()
    assert all(curve["n_edges"] == levels for curve in explorer.curves)
    l2, inverse, random = (curve["total_variation"] for curve in explorer.curves)
    assert l2[-1] == pytest.approx(0, abs=1e-4)
    assert inverse[-1] > 0.01
    assert random != l2
    assert "no importance measure" in front.ask("compare", names=["nothing"])["error"]
    front.ask("trace", settings=settings(explorer, position=3))
    assert explorer.curves == []  # they belonged to another prediction


def test_two_measures_change_places_and_keep_size_and_toggles(front: Front) -> None:
    explorer = front.explorer
    explorer.n_edges, explorer.toggles = 100, {"1.2": "off"}
    before = settled(explorer), explorer.session
    front.ask("compare", names=["l2", "random"])
    drawn = explorer.curves
    kept = {"n_edges": 100, "toggles": {"1.2": "off"}}
    assert front.ask("trace", settings=settings(explorer, importance="l2"), **kept)["ok"]
    assert [curve["name"] for curve in explorer.curves] == ["l1", "random"]
    after = settled(explorer)
    assert {name: after[name] for name in kept} == kept
    assert after["total_variation"] != before[0]["total_variation"]
    assert front.ask("trace", settings=settings(explorer, importance="l1"), **kept)["ok"]
    assert (settled(explorer), explorer.session) == before
    assert explorer.curves == drawn


@pytest.mark.parametrize("kind", ["trace", "compare"])
def test_a_measure_that_is_refused_leaves_everything_as_it_was(
    front: Front, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    explorer = front.explorer
    front.ask("compare", names=["l2"])
    before = settled(explorer), settings(explorer), explorer.n_edges, explorer.curves, explorer.session

    def refuse(*_: Any) -> sw.STrace:
        raise sw.StraceError("The server computes no gradients: choose a measure without them.")

    monkeypatch.setattr(sessions, "trace_prompt", refuse)
    answer = front.ask(kind, settings=settings(explorer, importance="cosine"), names=["l2", "cosine"])
    assert answer["error"] == "The server computes no gradients: choose a measure without them."
    assert explorer.status["message"] == answer["error"]
    assert explorer.status["kind"] == kind
    now = dict(explorer.evaluation), settings(explorer), explorer.n_edges, explorer.curves, explorer.session
    assert now == before


def test_only_a_newer_trace_takes_the_place_of_a_trace(front: Front) -> None:
    explorer, answers = front.explorer, front.answers
    release = threading.Event()
    worker.submit(release.wait, 10)  # everything below queues up behind this
    for number, request in enumerate(
        [
            {"kind": "trace", "settings": settings(explorer, masks="mlp+residual")},
            {"kind": "trace", "settings": settings(explorer, importance="l2")},
            {"kind": "compare", "names": ["inverse"]},
            {"kind": "code"},
        ]
    ):
        explorer._handle_custom_msg(request | {"id": number}, [])
    release.set()
    front.wait_for(lambda: len(answers) == 4)
    assert {answer["id"]: answer["ok"] for answer in answers} == {0: False, 1: True, 2: True, 3: True}
    assert [answer["id"] for answer in answers if answer.get("cancelled")] == [0]
    assert explorer.view_state["importance"] == "l2"


@pytest.mark.parametrize("request_", [{"kind": "trace"}, {"kind": "compare", "names": ["l2", "inverse"]}], ids=str)
def test_what_is_under_way_is_given_up_on_request(
    front: Front, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any]
) -> None:
    explorer = front.explorer
    before = settled(explorer), settings(explorer), explorer.n_edges, explorer.curves
    begun, go_on, runs = threading.Event(), threading.Event(), []
    honest = sw.STrace.evaluate

    def slow(trace: sw.STrace, *arguments: Any, **named: Any) -> Any:
        runs.append(trace)
        begun.set()
        assert go_on.wait(10)
        return honest(trace, *arguments, **named)

    monkeypatch.setattr(sw.STrace, "evaluate", slow)
    explorer._handle_custom_msg({"id": 1, "settings": settings(explorer, importance="l2")} | request_, [])
    assert begun.wait(10)
    assert front.ask("cancel")["ok"]
    go_on.set()
    front.wait_for(lambda: len(front.answers) == 2)
    answer = front.answers[-1]
    assert (answer["id"], answer["ok"], answer["cancelled"]) == (1, False, True)
    assert answer["error"].startswith("Cancelled")
    told = {"state": "ready", "message": answer["error"], "progress": 0, "kind": request_["kind"]}
    assert explorer.status == told
    assert (dict(explorer.evaluation), settings(explorer), explorer.n_edges, explorer.curves) == before
    assert len(runs) == 1  # the stage that was running was the last
    monkeypatch.undo()
    explorer.n_edges = 21
    assert settled(explorer)["n_edges"] == 21
    assert explorer.status["message"] == ""


def test_a_cancel_leaves_an_evaluation_on_this_machine_to_be_shown(front: Front) -> None:
    busy = threading.Event()
    worker.submit(busy.wait, 10)
    front.explorer.n_edges = 33  # waits
    assert front.ask("cancel")["ok"]
    busy.set()
    assert settled(front.explorer)["n_edges"] == 33
    assert front.explorer.status["message"] == ""


def test_a_newer_trace_does_not_look_cancelled(front: Front) -> None:
    """What is said of the older one is its answer; the status is about the newer."""
    explorer, told, release = front.explorer, [], threading.Event()
    explorer.observe(lambda event: told.append(event["new"]), "status")
    worker.submit(release.wait, 10)
    for importance in ("l2", "cosine"):
        front.tell(id=importance, kind="trace", settings=settings(explorer, importance=importance))
    release.set()
    front.wait_for(lambda: len(front.answers) == 2)
    assert [answer.get("cancelled", False) for answer in front.answers] == [True, False]
    assert not [status for status in told if status["message"].startswith("Cancelled")]
    settled(explorer)


def test_with_nothing_under_way_a_cancel_changes_nothing(front: Front) -> None:
    before = dict(front.explorer.status)
    assert front.ask("cancel")["ok"]
    assert front.explorer.status == before
    assert front.ask("trace", settings=settings(front.explorer, importance="l2"))["ok"]


def test_a_node_is_described_at_once_even_while_the_model_runs(front: Front) -> None:
    explorer = front.explorer
    busy = threading.Event()
    worker.submit(busy.wait, 10)
    explorer.n_edges = 33  # waits
    answer = front.ask("node", node="1.2")
    assert answer["ok"]
    assert {name: answer[name] for name in ("shares", "edges")} == explorer.session.node("1.2")
    assert len(answer["shares"]) == len(explorer.trace.tokens)
    refused = front.ask("node", node="7.0")
    assert not refused["ok"]
    assert "no layer 7" in refused["error"]
    assert "KeyError" in front.ask("node")["error"]
    assert explorer.status["state"] == "running"  # a node that cannot be shown is no failure of the evaluation
    busy.set()
    assert settled(explorer)["n_edges"] == 33


def test_requests_that_waited_for_a_busy_kernel_end_in_the_newest_state(front: Front) -> None:
    """While a cell runs, the messages wait; then they are handled one after the other."""
    explorer = front.explorer
    explorer._handle_custom_msg({"id": "greeting", "kind": "hello"}, [])
    for n_edges in (40, 41, 42):
        explorer.set_state({"n_edges": n_edges})
    explorer.set_state({"toggles": {"1.0": "off"}})
    evaluation = settled(explorer)
    assert (evaluation["n_edges"], evaluation["toggles"]) == (42, {"1.0": "off"})
    assert front.answers[0] == {"id": "greeting", "kind": "hello", "ok": True}


def test_a_session_is_saved_and_gone_on_with(front: Front, tmp_path: Any) -> None:
    explorer = front.explorer
    front.ask("trace", settings=settings(explorer, importance="l2", position=4))
    explorer.history = {"version": 2, "steps": [], "at": -1, "tried": []}
    explorer.n_edges, explorer.toggles = 70, {"2.1": "on"}
    before = settled(explorer)
    file = explorer.save_session(tmp_path / "session.json")
    again = sw.trace(explorer.trace.model, explorer.view_state["prompt"]).explore(session=file)
    assert settled(again) == before
    assert settings(again) == settings(explorer)
    assert again.history == explorer.history


def test_a_session_file_of_version_1_opens(tiny_trace: sw.STrace) -> None:
    explorer = tiny_trace.explore(session=V1 / "session.json")
    assert (explorer.n_edges, explorer.toggles) == (16, {"1.2": "off", "0.mlp": "on"})
    assert settled(explorer)["total_variation"] == pytest.approx(0.3682327642181196, abs=1e-6)
    assert (explorer.history["at"], len(explorer.history["steps"])) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "part_of_message"),
    [
        (None, "is no session file"),
        ({"settings": {}}, "is no session file"),
        ({"n_edges": "many"}, "is no session file"),
        ({"format": "other"}, "format is 'other'"),
        ({"version": 9}, "version 9"),
        ({"model": "m"}, "with the model m"),
    ],
)
def test_files_that_cannot_be_read_are_refused(
    explorer: sw.Explorer, tmp_path: Any, changes: dict[str, Any] | None, part_of_message: str
) -> None:
    file = explorer.save_session(tmp_path / "session.json")
    content = json.loads(file.read_text())
    file.write_text("no JSON" if changes is None else json.dumps(content | changes))
    before = settled(explorer)
    with pytest.raises(sw.errors.SessionFileError, match=part_of_message):
        explorer.load_session(file)
    assert settled(explorer) == before


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
