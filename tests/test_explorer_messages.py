"""What the widget is asked by messages: other traces and curves, nodes, cancelling; and its session files."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from explorer_steps import Front, settings, settled

import strace_widgets as sw
from strace_widgets.explorer import session as sessions
from strace_widgets.explorer.worker import worker

V1 = Path(__file__).parent / "v1"


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


def test_a_greeting_is_answered_with_what_was_said_before_anybody_listened(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host may show the state that it took when the widget was made, and connect later."""
    sent: dict[str, Any] = {}
    monkeypatch.setattr(front.explorer, "_send", lambda message, **_: sent.update(message["state"]))
    assert front.ask("hello")["ok"]
    assert sent == {"status": front.explorer.status, "evaluation": front.explorer.evaluation}


def test_other_curves_are_computed_on_request(front: Front) -> None:
    explorer = front.explorer
    assert front.ask("compare", names=["l2", "inverse", "random"])["ok"]
    assert [curve["name"] for curve in explorer.curves] == ["l2", "inverse", "random"]
    assert [curve["kind"] for curve in explorer.curves] == ["measure", "baseline", "baseline"]
    grid = explorer.trace.kept(explorer.trace.standard_sizes()).tolist()
    assert all(set(curve["n_edges"]) <= set(grid) and curve["n_edges"][-1] == grid[-1] for curve in explorer.curves)
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
    of, name = (sessions, "trace_prompt") if request_["kind"] == "trace" else (sw.STrace, "evaluate")
    honest = getattr(of, name)

    def slow(*arguments: Any, **named: Any) -> Any:
        runs.append(arguments)
        begun.set()
        assert go_on.wait(10)
        return honest(*arguments, **named)

    monkeypatch.setattr(of, name, slow)
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


def test_a_session_that_could_not_be_read_again_is_not_written(front: Front, tmp_path: Path) -> None:
    explorer = front.explorer
    explorer.note = "half a character: \ud83d"
    file = explorer.save_session(tmp_path / "session.json")
    before = file.read_bytes()
    explorer.note = ""
    explorer.load_session(file)
    assert explorer.note == "half a character: ?"
    assert sw.load_trace(explorer.save(tmp_path / "x.strace")).saved_view["note"] == explorer.note
    explorer.set_state({"history": {"version": 2, "steps": "none"}})
    with pytest.raises(sw.errors.SessionFileError, match="is not written, since it could not be read again"):
        explorer.save_session(file)
    with pytest.raises(sw.errors.TraceFileError, match="what was tried on it could not be read again"):
        explorer.save(tmp_path / "x.strace")
    assert file.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".part"] == []


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
        ({"n_edges": True}, "is no session file"),
        ({"history": {"version": 2, "steps": 3}}, "is no session file"),
        ({"history": {"version": 2, "steps": [], "at": 7, "tried": []}}, "its present step is 7, of 0"),
        ({"history": {"version": 2, "steps": [{"n_edges": 3}], "at": 0, "tried": []}}, "is no session file"),
        ({"toggles": {"99.0": "off"}}, "cannot be gone on with here: There is no layer 99"),
        ({"settings": {"prompt": " ", "importance": "l1", "masks": "all", "position": -1}}, "prompt is empty"),
        ({"format": "other"}, "format is 'other'"),
        ({"version": 9}, "version 9"),
        ({"model": "m"}, "with the model m"),
    ],
)
def test_files_that_cannot_be_read_are_refused(
    front: Front, tmp_path: Any, changes: dict[str, Any] | None, part_of_message: str
) -> None:
    explorer = front.explorer
    explorer.shade = "weight"
    file = explorer.save_session(tmp_path / "session.json")
    content = json.loads(file.read_text()) | {"note": "Another.", "shade": "share"}
    file.write_text("no JSON" if changes is None else json.dumps(content | changes))
    explorer.groups, explorer.note = {"movers": ["1.3"]}, "Mine."
    before = settled(explorer), kept(explorer)
    with pytest.raises(sw.errors.SessionFileError, match=part_of_message):
        explorer.load_session(file)
    assert (settled(explorer), kept(explorer)) == before


def kept(explorer: sw.Explorer) -> list[Any]:
    names = ("shade", "groups", "note", "history", "n_edges", "size", "toggles", "view_state", "curves", "session")
    return [getattr(explorer, name) for name in names]


@pytest.mark.parametrize(
    ("asked", "part_of_message"),
    [
        ({"n_edges": 2.5}, "2.5 is no number of edges"),
        ({"n_edges": "many"}, "'many' is no number of edges"),
        ({"toggles": {"99.0": "off"}}, "There is no layer 99"),
        ({"toggles": {"1" * 5000: "off"}}, "'11111111111111111111'… is no component"),
        ({"settings": None}, "no settings of a trace"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_trace_that_cannot_be_shown_as_asked_changes_nothing(
    front: Front, asked: dict[str, Any], part_of_message: str
) -> None:
    explorer = front.explorer
    before = settled(explorer), kept(explorer)
    answer = front.ask("trace", **{"settings": settings(explorer, importance="l2")} | asked)
    assert not answer["ok"]
    assert part_of_message in answer["error"]
    assert (dict(explorer.evaluation), kept(explorer)) == before


@pytest.mark.parametrize("kind", [[], {}, None, 3, float("inf")])
def test_every_message_gets_an_answer(front: Front, kind: Any) -> None:
    front.tell(id="unheard of", kind=kind)
    assert (front.answers[-1]["id"], front.answers[-1]["ok"]) == ("unheard of", False)
    json.dumps(front.answers[-1], allow_nan=False)  # as it goes to a browser
    front.explorer._handle_custom_msg([kind], [])
    assert (front.answers[-1]["id"], front.answers[-1]["ok"]) == (None, False)
