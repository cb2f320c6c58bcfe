"""Why this token rather than that one, in the Explorer: its session, messages, files and programs."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from conftest import PROMPT
from explorer_steps import Front, settings, settled, wait_for

import strace_widgets as sw
from strace_widgets.explorer import session as sessions
from strace_widgets.explorer.curves import curve
from strace_widgets.explorer.session import Session, curves_after
from strace_widgets.explorer.shown import shown
from strace_widgets.explorer.view_state import decoded
from strace_widgets.graph.edges import size_of
from strace_widgets.graph.modes import Modes
from strace_widgets.results.asking import asking

OTHER = "w5 w20 w3 w9 w41 w7"
ASKED: dict[str, Any] = {"target": 11, "foil": [12, 13], "counterfactual": OTHER}
PATCH = {"ablation": "patch"}


def other(session: Session, **changes: Any) -> Session:
    return session.with_settings(replace(session.settings, **changes))


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The measures that were traced, one entry a trace."""
    done: list[str] = []
    honest = sessions.trace_prompt

    def noted(model: Any, prompt: Any, importance: str, **asked: Any) -> sw.STrace:
        done.append(importance)
        return honest(model, prompt, importance, **asked)

    monkeypatch.setattr(sessions, "trace_prompt", noted)
    return done


@pytest.fixture
def asked(tiny: Any) -> sw.STrace:
    return sw.trace(tiny, PROMPT, **ASKED)


@pytest.fixture
def asked_front(asked: sw.STrace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    explorer = asked.explore()
    settled(explorer)
    yield Front(explorer, monkeypatch)
    explorer.close()


# The session.


@pytest.mark.parametrize("change", [{"target": (11,), "foil": (12, 13)}, {"target": (11,)}], ids=["foil", "target"])
def test_another_target_of_a_measure_that_asks_for_none_runs_only_the_empty_subgraph(
    tiny: Any, tiny_trace: sw.STrace, traced: list[str], monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    first = Session(tiny_trace)
    first.sweep()
    run: list[list[int]] = []
    honest = type(tiny).evaluate

    def noted(model: Any, token_ids: Any, ranks: Any, kept: Any, *how: Any, **more: Any) -> Any:
        run.append(list(kept))
        return honest(model, token_ids, ranks, kept, *how, **more)

    monkeypatch.setattr(type(tiny), "evaluate", noted)
    second = other(first, **change)
    assert second.complete
    assert run == [[0]]
    assert traced == []
    monkeypatch.undo()
    truth = sw.trace(tiny, PROMPT, **{name: list(ids) for name, ids in change.items()}).sweep()
    np.testing.assert_allclose(second.levels.faithfulness, truth.faithfulness, atol=1e-4)
    state = second.view_state()
    np.testing.assert_allclose(decoded(state["arrays"]["faithfulness"]), truth.faithfulness, atol=1e-4)
    question = state["question"]
    assert (question["cpr"], question["cmd"]) == pytest.approx((truth.cpr(), truth.cmd()), abs=1e-4)
    assert question["empty_figure"] == pytest.approx(truth.empty_figure, abs=1e-4)
    assert not question["ordered"]
    assert set(change["target"]) <= set(state["vocabulary_ids"])
    assert other(second, target=(), foil=()) is first
    assert "question" not in first.view_state()


def test_levels_that_came_so_far_are_kept_under_another_target(tiny_trace: sw.STrace) -> None:
    first = Session(tiny_trace)
    first.more_levels()
    second = other(first, target=(11,))
    assert len(second.levels) == len(first.levels) > 1
    assert second.levels.figure is not None
    assert not second.complete


def test_a_measure_that_asks_for_the_target_is_traced_again(tiny: Any, traced: list[str]) -> None:
    first = Session(sw.trace(tiny, PROMPT, "eap"))
    second = other(first, target=(11,), foil=(12,))
    assert traced == ["eap"]
    truth = sw.trace(tiny, PROMPT, "eap", target=11, foil=12)
    for ours, theirs in zip(second.trace.ranks, truth.ranks, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert second.view_state()["question"]["ordered"]


def test_what_is_patched_follows_the_counterfactual_and_what_is_not_stays(asked: sw.STrace, tiny: Any) -> None:
    first = other(Session(asked), ablation="patch")
    first.sweep()
    known = asked.effects(by="component", progress=False, **PATCH)
    assert first.effects.known.all()
    np.testing.assert_array_equal(first.effects.total_variation, known.total_variation)
    ids = tuple(tiny.encode("w5 w17 w3 w9 w41 w2").tolist())
    second = other(first, counterfactual=ids)
    assert not second.complete
    assert not second.effects.known.any()
    truth = sw.trace(tiny, PROMPT, **ASKED | {"counterfactual": list(ids)})
    found = second.evaluate(60, {"1.2": "off"})
    expected = truth.evaluate([size_of(60, truth.n_edges)], {"1.2": "off"}, **PATCH)
    assert found["total_variation"] == pytest.approx(expected.total_variation[0], abs=1e-6)
    assert found["faithfulness"] == pytest.approx(expected.faithfulness[0], abs=1e-5)
    gone = other(second, counterfactual=())
    assert gone.settings.ablation == "zero"  # there is nothing to patch from


def test_swapping_asks_the_other_way_round_and_back(asked: sw.STrace, tiny: Any) -> None:
    first = other(Session(asked), ablation="patch")
    second = first.swapped()
    assert second.settings.prompt == OTHER
    assert (second.settings.target, second.settings.foil) == ((12, 13), (11,))
    assert second.settings.ablation == "patch"
    assert tiny.encode(PROMPT).tolist() == list(second.settings.counterfactual)
    truth = sw.trace(tiny, OTHER, target=[12, 13], foil=11, counterfactual=PROMPT)
    np.testing.assert_allclose(second.sweep().faithfulness, truth.sweep(**PATCH).faithfulness, atol=1e-5)
    assert second.swapped() is first
    with pytest.raises(sw.errors.PromptError, match="no counterfactual to swap"):
        Session(sw.trace(tiny, PROMPT)).swapped()


def test_an_earlier_token_is_explained_against_as_much_of_the_counterfactual(asked: sw.STrace) -> None:
    session = other(Session(asked), position=3)
    assert session.trace.contrast.counterfactual == asked.contrast.counterfactual[:4]
    assert session.settings.counterfactual == asked.contrast.counterfactual
    assert other(session, position=5).trace is asked
    with pytest.raises(sw.errors.PromptError, match="Up to this token"):
        other(session, position=0)


def test_curves_that_ask_for_no_target_outlive_another_one(asked: sw.STrace) -> None:
    first = Session(asked)
    first.sweep()
    drawn = first.compare(["l2", "eap", "inverse", "random"])
    assert ["faithfulness" in each for each in drawn] == [True, True, False, True]  # of the inverse none is measured
    again = curves_after(drawn, first, other(first, target=(14,)))
    assert [each["name"] for each in again] == ["l2", "inverse", "random"]
    assert not any("faithfulness" in each for each in again)
    assert curves_after(drawn, first, other(first, ablation="patch")) == []
    assert curve("l1", first.levels)["faithfulness"] == np.round(first.levels.faithfulness, 5).tolist()


def test_a_figure_that_rounds_to_nothing_is_run_again(asked: sw.STrace) -> None:
    sweep = asked.sweep()
    asked.sweeps[next(iter(asked.sweeps))] = replace(sweep, probabilities=np.zeros_like(sweep.probabilities))
    assert not asking(asked, replace(asked.contrast, target=(14,))).sweeps


# Messages.


def test_a_trace_with_a_target_opens_with_it_and_another_is_chosen(asked_front: Front) -> None:
    explorer = asked_front.explorer
    question = explorer.view_state["question"]
    assert [token["token"] for token in question["target"]] == ["w11"]
    assert [token["id"] for token in question["foil"]] == [12, 13]
    assert question["counterfactual"] == [f"w{token}" for token in explorer.trace.contrast.counterfactual]
    assert question["counterfactual_text"] == OTHER
    assert {11, 12, 13} <= {row["id"] for row in explorer.evaluation["top"]}
    wanted = settings(explorer, target=[3], counterfactual=list(explorer.trace.contrast.counterfactual))
    assert asked_front.ask("trace", settings=wanted | PATCH, n_edges=60)["ok"]
    evaluation = settled(explorer)
    truth = sw.trace(explorer.trace.model, PROMPT, target=3, counterfactual=OTHER).evaluate([explorer.size], **PATCH)
    assert evaluation["faithfulness"] == pytest.approx(truth.faithfulness[0], abs=1e-5)
    assert explorer.view_state["ablation"] == "patch"
    assert asked_front.ask("trace", settings=wanted | PATCH, swap=True)["ok"]
    settled(explorer)
    assert explorer.view_state["prompt"] == OTHER
    assert explorer.view_state["target"] == [3]
    assert asked_front.ask("trace", settings=settings(explorer), counterfactual="")["ok"]
    settled(explorer)
    assert "question" not in explorer.view_state
    assert "ablation" not in explorer.view_state


def test_a_counterfactual_is_typed(front: Front) -> None:
    explorer = front.explorer
    assert front.ask("trace", settings=settings(explorer), counterfactual=OTHER)["ok"]
    settled(explorer)
    assert explorer.trace.contrast.counterfactual == tuple(explorer.trace.model.encode(OTHER).tolist())
    assert explorer.view_state["question"]["full_figure"] is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"counterfactual": "w5 w17 w3"}, "→'w88'←"),
        ({"counterfactual": PROMPT}, "the prompt itself"),
        ({"settings": {"foil": [3]}}, "give a target"),
        ({"settings": {"target": [3], "foil": [3]}}, "both target and foil"),
        ({"settings": {"target": [10_000]}}, "Token ids"),
        ({"settings": {"ablation": "mean"}}, "choose 'zero' or 'patch'"),
        ({"settings": {"target": "w3"}}, "no settings of a trace"),
        ({"swap": True}, "no counterfactual to swap"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_said_and_nothing_changes(front: Front, change: dict[str, Any], says: str) -> None:
    explorer, before = front.explorer, front.explorer.trace
    asked = change | {"settings": settings(explorer) | change.get("settings", {})}
    answer = front.ask("trace", **asked)
    assert not answer["ok"]
    assert says in answer["error"]
    assert explorer.trace is before


# Files, pages and programs.


def test_a_session_goes_on_with_its_question(asked_front: Front, tiny: Any, tmp_path: Path) -> None:
    explorer = asked_front.explorer
    wanted = json.loads(json.dumps(explorer.session.settings.plain() | PATCH))
    assert asked_front.ask("trace", settings=wanted, n_edges=60)["ok"]
    evaluation = settled(explorer)
    again = sw.trace(tiny, "w1 w2").explore(explorer.save_session(tmp_path / "session.json"))
    figures = ("total_variation", "faithfulness")
    assert [settled(again)[name] for name in figures] == pytest.approx([evaluation[name] for name in figures])
    assert again.session.settings == explorer.session.settings
    again.close()


def test_a_file_and_a_page_show_the_question(asked_front: Front, asked: sw.STrace, tmp_path: Path) -> None:
    explorer = asked_front.explorer
    assert asked_front.ask("trace", settings=explorer.session.settings.plain() | PATCH, n_edges=60)["ok"]
    settled(explorer)
    loaded = sw.load_trace(explorer.save(tmp_path / "asked.strace"))
    state = shown(loaded)["view_state"]
    assert (state["target"], state["foil"], state["ablation"]) == ([11], [12, 13], "patch")
    assert state["question"]["counterfactual_text"] == OTHER
    replay = loaded.explore()
    assert replay.session.modes.patched
    replay.close()
    page = asked.to_html(tmp_path / "asked.html").read_text(encoding="utf-8")
    assert '"question": {"target": [{"id": 11' in page


@pytest.mark.parametrize("ablation", ["zero", "patch", "patch values"])
@pytest.mark.parametrize("which", ["strace_widgets", "nnsight"])
def test_programs_ask_what_is_asked_on_screen(
    which: str, ablation: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_models.tiny().save_pretrained(tmp_path / "model")
    tiny_models.words().save_pretrained(tmp_path / "model")
    foil: Any = {} if ablation == "patch values" else {"foil": [12, 13]}
    trace = sw.trace(sw.load_model(tmp_path / "model"), PROMPT, "eap", target="w11", counterfactual=OTHER, **foil)
    session = other(Session(trace), ablation=ablation, masks="mlp+residual" if ablation == "patch" else "all")
    found = session.evaluate(60, {"1.2": "off"})
    text = session.code(60, {"1.2": "off"})[which]
    if which == "strace_widgets":
        assert f"target='w11'{', foil=' if foil else ''}" in text
        assert f"counterfactual={OTHER!r}" in text
    program = tmp_path / f"{which} {ablation}.py"  # nnsight reads a file once
    program.write_text(text)
    runpy.run_path(str(program))
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[:2])
    assert float(printed["TV"]) == pytest.approx(found["total_variation"], abs=1e-5)
    assert float(printed["f"]) == pytest.approx(found["faithfulness"], abs=1e-4)


# The engine below.


def test_patching_without_a_second_row_is_refused(tiny: Any, tiny_trace: sw.STrace) -> None:
    with pytest.raises(sw.errors.PromptError, match=r"as an array \(2, T\)"):
        tiny.evaluate(tiny_trace.token_ids, tiny_trace.ranks, np.array([5]), None, Modes(ablation="patch"))


def test_a_submitted_question_is_answered_and_counted(remote_tiny: Any, tiny: Any) -> None:
    how = {"target": 11, "foil": 12, "counterfactual": OTHER}
    there = sw.submit(remote_tiny, PROMPT, "eap", **how).result()
    here = sw.trace(tiny, PROMPT, "eap", **how)
    assert isinstance(there, sw.STrace)
    assert there.contrast == here.contrast
    for ours, theirs in zip(there.weights, here.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    found = there.submit([0.3, 1.0], {"1.2": "off"}, **PATCH).result()
    expected = here.evaluate([0.3, 1.0], {"1.2": "off"}, **PATCH)
    np.testing.assert_allclose(found.faithfulness, expected.faithfulness, atol=1e-4)
    plain = sw.trace(remote_tiny, PROMPT, "eap").estimate([0.3, 1.0]).bytes_down
    assert there.estimate([0.3, 1.0], **PATCH).bytes_down == 2 * plain  # no edge, and the counterfactual


def test_the_explorer_on_a_server_asks_there(remote_tiny: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = sw.trace(remote_tiny, PROMPT).explore()
    wait_for(explorer, lambda: explorer.session.complete and explorer.status["state"] == "ready")
    front = Front(explorer, monkeypatch)
    assert front.ask("trace", settings=settings(explorer, target=[11], foil=[12]), n_edges=60)["ok"]
    truth = sw.trace(tiny, PROMPT, target=11, foil=12).evaluate([explorer.size])
    assert settled(explorer)["faithfulness"] == pytest.approx(truth.faithfulness[0], abs=1e-4)
    explorer.close()
