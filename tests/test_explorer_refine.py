"""Refining in the widget: each improvement is told, the best is kept at any time, and all of it comes back."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PROMPT
from explorer_steps import Front, settings, settled, wait_for

import strace_widgets as sw
from strace_widgets.explorer import refining as refinings
from strace_widgets.explorer.session import Session
from strace_widgets.graph.edges import Edges
from strace_widgets.model import subgraph_gains
from strace_widgets.remote import stages
from strace_widgets.remote.stages import Stage
from strace_widgets.results import metrics
from strace_widgets.results.refinement import n_steps

LONG = 30.0
"""A budget that ends after several improvements."""


def refined_settings(explorer: sw.Explorer) -> dict[str, Any]:
    return settings(explorer) | {"refined": explorer.view_state["refined"]}


def budgets(explorer: sw.Explorer) -> list[float]:
    return [each["passes"] for each in explorer.view_state["refined"]["refinements"]]


def same_order(first: sw.STrace, second: sw.STrace) -> bool:
    return all(np.array_equal(*kinds) for kinds in zip(first.ranks, second.ranks, strict=True))


def improvements(explorer: sw.Explorer) -> list[float]:
    """Return a list that gets the area of each curve of the best so far, as it is told."""
    areas: list[float] = []

    def look(change: Any) -> None:
        for curve in change["new"]:
            if curve["kind"] == "refining":
                sizes = np.array([0, *curve["n_edges"]]) / explorer.trace.n_edges
                areas.append(metrics.area(sizes, np.array([1, *curve["total_variation"]]), "s"))

    explorer.observe(look, "curves")
    return areas


def cancel_at_first_improvement(front: Front) -> None:
    explorer = front.explorer

    def cancel(change: Any) -> None:
        if any(curve["kind"] == "refining" for curve in change["new"]):
            explorer.unobserve(cancel, "curves")
            front.tell(id="stop", kind="cancel")

    explorer.observe(cancel, "curves")


def test_each_improvement_is_told_and_the_best_takes_the_place_of_the_trace(front: Front) -> None:
    explorer = front.explorer
    explorer.n_edges, explorer.toggles = 100, {"1.2": "off"}
    settled(explorer)
    before, areas, statuses = explorer.trace, improvements(explorer), []
    explorer.observe(lambda event: statuses.append(event["new"]), "status")
    assert front.ask("refine", passes=LONG)["ok"]
    assert len(areas) > 2
    assert areas == sorted(areas, reverse=True)
    truth = before.refine(LONG, progress=False)
    assert same_order(explorer.trace, truth)
    assert explorer.view_state["importance"] == explorer.trace.importance == "refined"
    this = {"passes": LONG, "masks": "all", "attention": "recomputed", "ablation": "zero", "gradients": True}
    assert explorer.view_state["refined"] == {"start": "l1", "refinements": [this]}
    settled(explorer)
    told = [each["message"] for each in statuses if each["state"] == "running" and "kind" not in each]
    told = [message for message in told if message]
    total = n_steps(LONG) + 1
    assert told[0] == f"refining: step 1 of {total}"
    assert re.fullmatch(rf"refining: step {total} of {total}, area 0\.\d{{3}} → 0\.\d{{3}}", told[-1])
    progress = [status["progress"] for status in statuses if status["message"] in told]
    assert progress == sorted(progress)
    after = settled(explorer)
    assert (after["n_edges"], after["toggles"]) == (100, {"1.2": "off"})
    exact = truth.evaluate([explorer.size], {"1.2": "off"}).total_variation[0]
    assert after["total_variation"] == pytest.approx(exact, abs=1e-6)
    assert [curve["name"] for curve in explorer.curves] == ["l1"]  # what it was, beside what it is


def test_cancelling_keeps_the_best_that_was_seen(front: Front) -> None:
    explorer = front.explorer
    start, areas = explorer.trace, improvements(explorer)
    cancel_at_first_improvement(front)
    assert front.ask("refine", passes=LONG)["ok"]
    assert len(areas) == 1
    assert explorer.trace.importance == "refined"
    (passes,) = budgets(explorer)
    assert passes < LONG / 2
    assert same_order(explorer.trace, start.refine(passes, progress=False))  # a budget that leads as far
    assert explorer.trace.sweep().area("s") < start.sweep().area("s")
    assert explorer.curves[0]["name"] == "l1"
    assert settled(explorer)["n_edges"] == explorer.n_edges


def test_cancelling_before_the_first_improvement_leaves_everything_as_it_was(front: Front) -> None:
    explorer = front.explorer
    before = explorer.session, settled(explorer), explorer.curves

    def cancel(change: Any) -> None:
        if "step 1" in change["new"]["message"]:
            explorer.unobserve(cancel, "status")
            front.tell(id="stop", kind="cancel")

    explorer.observe(cancel, "status")
    assert front.ask("refine", passes=LONG)["ok"]
    assert (explorer.session, dict(explorer.evaluation), explorer.curves) == before
    assert (explorer.status["state"], explorer.status["message"]) == ("ready", "Cancelled: everything is as it was.")


def test_an_error_on_the_way_keeps_the_best_that_was_seen_and_is_said(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = front.explorer
    start, areas = explorer.trace, improvements(explorer)
    gains = subgraph_gains.subgraph_gains

    def fail_later(*arguments: Any) -> Any:
        if areas:
            raise sw.StraceError("The machine ran out of memory.")
        return gains(*arguments)

    monkeypatch.setattr("strace_widgets.model.subgraph_gains.subgraph_gains", fail_later)
    answer = front.ask("refine", passes=LONG)
    assert (answer["ok"], answer["error"]) == (False, "The machine ran out of memory.")
    monkeypatch.undo()
    assert explorer.trace.importance == "refined"
    assert same_order(explorer.trace, start.refine(budgets(explorer)[0], progress=False))
    wait_for(explorer, lambda: explorer.evaluation is not None)  # the error is said before the best trace is evaluated
    assert settled(explorer)["n_edges"] == explorer.n_edges
    status = explorer.status
    assert (status["state"], status["kind"], status["message"]) == ("error", "refine", answer["error"])


def test_where_nothing_better_is_found_that_is_said(front: Front) -> None:
    explorer = front.explorer
    for _ in range(12):
        before = explorer.session
        assert front.ask("refine", passes=8)["ok"]
        settled(explorer)  # with the levels of what was found
        if explorer.session is before:
            break
    assert explorer.session is before
    assert len(budgets(explorer)) > 1  # it went on from where it stood
    assert explorer.status["message"] == "No better trace was found in 8 passes."
    wait_for(explorer, lambda: explorer.status["state"] == "ready")
    assert [curve["kind"] for curve in explorer.curves] == ["measure"]


def test_sizes_and_toggles_are_answered_while_it_refines(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = front.explorer
    looked, answered, honest = [], [], refinings.refinement

    def noted(*asked: Any) -> Any:
        for best in honest(*asked):
            looked.append(best)
            yield best

    monkeypatch.setattr(refinings, "refinement", noted)
    explorer.observe(lambda event: answered.append((len(looked), event["new"])), "evaluation")

    def move(change: Any) -> None:
        if "step 2" in change["new"]["message"]:
            explorer.unobserve(move, "status")
            explorer.n_edges = 77
            explorer.toggles = {"0.mlp": "off"}

    explorer.observe(move, "status")
    start = explorer.trace
    assert front.ask("refine", passes=LONG)["ok"]
    steps, evaluation = next((steps, found) for steps, found in answered if found and found["n_edges"] == 77)
    assert steps < len(looked)  # it did not wait for the end
    exact = start.evaluate([77 / start.n_edges], {"0.mlp": "off"}).total_variation[0]
    assert evaluation["total_variation"] == pytest.approx(exact, abs=1e-6)
    after = settled(explorer)
    assert (explorer.trace.importance, after["n_edges"], after["toggles"]) == ("refined", 77, {"0.mlp": "off"})


def test_another_trace_that_comes_in_between_stays(front: Front) -> None:
    explorer = front.explorer

    def ask(change: Any) -> None:
        if "step 2" in change["new"]["message"]:
            explorer.unobserve(ask, "status")
            front.tell(id="other", kind="trace", settings=settings(explorer, importance="l2"))

    explorer.observe(ask, "status")
    assert front.ask("refine", passes=LONG)["ok"]
    front.wait_for(lambda: any(answer["id"] == "other" and answer["ok"] for answer in front.answers))
    settled(explorer)
    assert explorer.trace.importance == "l2"
    assert [curve["name"] for curve in explorer.curves] == ["l1"]
    assert explorer.status["state"] == "ready"


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "forgotten"])
def test_undo_leads_back_to_the_trace_and_redo_to_what_was_found(front: Front, kept: bool) -> None:
    explorer = front.explorer
    first, plain = explorer.session, settings(explorer)
    assert front.ask("refine", passes=13)["ok"]
    assert front.ask("refine", passes=13)["ok"]
    second, wanted = explorer.session, json.loads(json.dumps(refined_settings(explorer)))
    assert budgets(explorer) == [13, 13]
    state = settled(explorer), explorer.view_state["arrays"]["total_variation"]
    if not kept:
        first.sessions.most = 1
        other = first.with_settings(first.settings.__class__("w1 w2 w3", "l1", "all", -1))
        first.sessions[other.settings] = other
    assert front.ask("trace", settings=plain, n_edges=explorer.n_edges)["ok"]
    assert explorer.view_state.get("refined") is None
    assert explorer.trace.importance == "l1"
    (line,) = explorer.curves  # its name leads to the very trace
    assert line["refined"] == wanted["refined"]
    assert front.ask("trace", settings=wanted, n_edges=explorer.n_edges)["ok"]
    assert same_order(explorer.trace, second.trace)
    assert (explorer.session is second) == kept
    now = settled(explorer), explorer.view_state["arrays"]["total_variation"]
    assert now[0]["total_variation"] == pytest.approx(state[0]["total_variation"], abs=1e-6)
    assert explorer.view_state["importance"] == "refined"


def test_a_saved_session_and_a_saved_trace_hold_what_was_refined(
    front: Front, tiny: Any, tiny_trace: sw.STrace, tmp_path: Path
) -> None:
    explorer = front.explorer
    assert front.ask("refine", passes=13)["ok"]
    settled(explorer)
    again = tiny_trace.explore(explorer.save_session(tmp_path / "session.json"))
    assert same_order(again.trace, explorer.trace)
    assert again.view_state["refined"] == explorer.view_state["refined"]
    replay = sw.load_trace(explorer.save(tmp_path / "refined.strace")).explore()
    assert budgets(replay) == [13]
    live = sw.load_trace(tmp_path / "refined.strace").with_model(tiny).explore()
    settled(live)
    assert live.session.settings == explorer.session.settings
    for opened in (again, replay, live):
        opened.close()


def test_a_line_that_is_not_finished_is_in_no_file(front: Front, tmp_path: Path) -> None:
    explorer = front.explorer
    files: list[Path] = []

    def save(change: Any) -> None:
        if not files and any(curve["kind"] == "refining" for curve in change["new"]):
            files.append(explorer.to_html(tmp_path / "page.html"))

    explorer.observe(save, "curves")
    assert front.ask("refine", passes=13)["ok"]
    (file,) = files
    assert '"curves": []' in file.read_text(encoding="utf-8")


def test_it_refines_under_the_masks_mode_that_is_shown_and_a_mode_refines_nothing(front: Front) -> None:
    explorer = front.explorer
    assert front.ask("trace", settings=settings(explorer, masks="mlp+residual"))["ok"]
    start = explorer.trace
    assert front.ask("refine", passes=40)["ok"]
    found = explorer.trace
    assert explorer.view_state["refined"]["refinements"][0]["masks"] == "mlp+residual"
    assert same_order(found, start.refine(40, progress=False, masks="mlp+residual"))
    assert front.ask("trace", settings=refined_settings(explorer) | {"masks": "all"})["ok"]
    assert explorer.trace is found
    assert explorer.view_state["masks"] == "all"
    assert explorer.view_state["refined"]["refinements"][0]["masks"] == "mlp+residual"
    assert settled(explorer)["total_variation"] == pytest.approx(
        found.evaluate([explorer.size]).total_variation[0], abs=1e-6
    )
    assert front.ask("refine", passes=30)["ok"]
    both = found.refine(30, progress=False)
    assert same_order(explorer.trace, both)
    again = Session(start).with_settings(explorer.session.settings)
    assert same_order(again.trace, both)  # each refinement under its own mode


@pytest.mark.parametrize("masks", ["all", "mlp+residual"])
def test_the_measure_refines_under_the_masks_mode_that_is_shown(front: Front, masks: str) -> None:
    explorer = front.explorer
    assert front.ask("trace", settings=settings(explorer, masks=masks, importance="refined"))["ok"]
    truth = sw.trace(explorer.trace.model, explorer.trace.token_ids, "refined", masks=masks)
    assert same_order(explorer.trace, truth)
    assert explorer.view_state["refined"]["start"] == ""
    assert explorer.view_state["refined"]["refinements"][0]["masks"] == masks
    session = explorer.session
    assert front.ask("trace", settings=settings(explorer, importance="l1"))["ok"]
    assert front.ask("trace", settings=settings(explorer, importance="refined"))["ok"]
    assert explorer.session is session  # what was there is not computed again


@pytest.mark.parametrize(
    ("content", "part_of_message"),
    [({"passes": 3}, "at least 7 forward passes; 3 are too few"), ({}, "passes")],
)
def test_a_budget_that_does_not_suffice_is_refused(front: Front, content: dict[str, Any], part_of_message: str) -> None:
    before = front.explorer.session
    answer = front.ask("refine", **content)
    assert not answer["ok"]
    assert part_of_message in answer["error"]
    assert (front.explorer.status["kind"], front.explorer.status["state"]) == ("refine", "error")
    assert front.explorer.session is before


def test_a_model_without_gradients_says_so(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = front.explorer
    before = explorer.session, settled(explorer)

    def refuse(*_: Any, **__: Any) -> Any:
        raise sw.StraceError("tiny gives no gradients.")

    monkeypatch.setattr("strace_widgets.model.subgraph_gains.subgraph_gains", refuse)
    answer = front.ask("refine", passes=13)
    assert (answer["ok"], answer["error"]) == (False, "tiny gives no gradients.")
    assert (explorer.session, dict(explorer.evaluation)) == before
    assert explorer.curves == []


def test_settings_that_are_none_are_refused(front: Front) -> None:
    wrong = settings(front.explorer, importance="refined") | {"refined": {"refinements": "many"}}
    answer = front.ask("trace", settings=wrong)
    assert "These are no settings of a trace: Expected `array`" in answer["error"]


def test_a_line_before_refining_has_the_sizes_that_refining_looks_at(tiny_trace: sw.STrace) -> None:
    refining = refinings.Refining(Session(tiny_trace), 13)
    while not refining.improved:
        assert refining.drawn([]) == []
        refining.step(lambda *_: None)
    (line,) = refining.drawn([])
    assert refining.best is not None
    sizes = np.array(line["n_edges"]) / tiny_trace.n_edges
    exact = refining.best.evaluate(sizes.tolist()).total_variation
    np.testing.assert_allclose(line["total_variation"], exact, atol=1e-4)
    assert isinstance(refining.best.ranks, Edges)


def test_on_a_server_each_step_is_a_request_and_what_is_waited_for_no_longer_leaves_the_best(
    remote_tiny: Any, tiny_trace: sw.STrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = sw.trace(remote_tiny, PROMPT).explore()
    settled(explorer)
    front, honest, steps = Front(explorer, monkeypatch), refinings.refinement, []

    def waits(*asked: Any) -> Any:
        """Stand in the server's queue once two steps have been taken."""
        for best in honest(*asked):
            steps.append(best)
            yield best
            while len(steps) == 2:
                stages.tell(Stage("queued", "Added to Queue at position 3."))
                time.sleep(0.01)

    monkeypatch.setattr(refinings, "refinement", waits)
    front.tell(id="refine", kind="refine", passes=13)
    wait_for(explorer, lambda: (explorer.status.get("job") or {}).get("stage") == "queued" and len(steps) == 2)
    assert front.ask("cancel")["ok"]
    front.wait_for(lambda: any(answer["id"] == "refine" and answer["ok"] for answer in front.answers))
    (passes,) = budgets(explorer)
    assert same_order(explorer.trace, tiny_trace.refine(passes, progress=False))
    settled(explorer)
    explorer.close()
