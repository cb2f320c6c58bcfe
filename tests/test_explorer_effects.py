"""What heads and MLPs do, in the Explorer: streamed, cancelled, kept with the trace, in files and on pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorer_steps import BatchGate, Front, settings, settled, wait_for
from live_page import new_page
from playwright.sync_api import Browser, expect

import strace_widgets as sw
from strace_widgets.explorer.view_state import decoded, node_figures
from strace_widgets.graph.edges import NOT_IN_GRAPH
from strace_widgets.results import switching_off


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchGate]:
    gate = BatchGate(monkeypatch)
    yield gate
    gate.let_through(1000)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching_off, "ROWS_A_BATCH", (4, 4))


def known(explorer: sw.Explorer) -> int:
    return int(decoded(explorer.effects["known"]).sum()) if explorer.effects else 0


def all_effects(explorer: sw.Explorer, front: Front) -> None:
    assert front.ask("effects")["ok"]
    wait_for(explorer, lambda: known(explorer) == 15 and explorer.status["state"] == "ready")


def test_they_come_batch_by_batch_and_agree_with_the_trace(
    settled_explorer: sw.Explorer, front: Front, batches: BatchGate
) -> None:
    explorer, seen, said = settled_explorer, [], []
    explorer.observe(lambda _: seen.append(known(explorer)), "effects")
    explorer.observe(lambda change: said.append(change["new"]), "status")
    assert explorer.effects is None
    batches.let_through(1000)
    all_effects(explorer, front)
    assert seen == [3, 7, 11, 15]
    under_way = [each for each in said if each.get("kind") == "effects"]
    assert [each["message"] for each in under_way] == [
        f"switching off heads and MLPs: {n} of 15" for n in (0, 3, 7, 11)
    ]
    assert [each["progress"] for each in under_way] == pytest.approx([0, 0.2, 7 / 15, 11 / 15])
    found = explorer.trace.effects(by="component", progress=False)
    for name in ("total_variation", "logit_change"):
        np.testing.assert_array_equal(decoded(explorer.effects[name]), getattr(found, name).astype(np.float32))
    assert (explorer.effects["answer"], explorer.effects["rival"]) == (found.answer.token, found.rival.token)


def test_a_size_is_evaluated_between_two_batches_and_the_job_line_stays(
    settled_explorer: sw.Explorer, front: Front, batches: BatchGate
) -> None:
    explorer = settled_explorer
    front.ask("effects")
    assert batches.begun.acquire(timeout=20)
    explorer.n_edges = 77
    assert (explorer.status["state"], explorer.status["kind"]) == ("running", "effects")
    batches.let_through()
    wait_for(explorer, lambda: explorer.evaluation is not None and explorer.evaluation["n_edges"] == 77)
    assert 0 < known(explorer) < 15
    assert explorer.status["kind"] == "effects"
    batches.let_through(1000)
    wait_for(explorer, lambda: known(explorer) == 15 and explorer.status["state"] == "ready")


def test_what_was_cancelled_is_kept_and_gone_on_with(
    settled_explorer: sw.Explorer, front: Front, batches: BatchGate
) -> None:
    explorer = settled_explorer
    batches.let_through()
    front.ask("effects")
    wait_for(explorer, lambda: known(explorer) == 3)
    for _ in range(2):  # the first batch, which is done, and the second
        assert batches.begun.acquire(timeout=20)
    assert front.ask("cancel")["ok"]
    batches.let_through()
    wait_for(explorer, lambda: explorer.status["state"] == "ready")
    assert explorer.status["message"] == "Cancelled: what was switched off so far is kept."
    assert known(explorer) == 3
    batches.let_through(1000)
    all_effects(explorer, front)


def test_what_fails_is_said_and_asked_again(settled_explorer: sw.Explorer, front: Front, batches: BatchGate) -> None:
    explorer, batches.reason = settled_explorer, sw.StraceError("The model has gone away.")
    batches.let_through()
    front.ask("effects")
    wait_for(explorer, lambda: explorer.status["state"] == "error")
    assert (explorer.status["kind"], explorer.status["message"]) == ("effects", "The model has gone away.")
    batches.reason = None
    batches.let_through(1000)
    all_effects(explorer, front)


def test_they_belong_to_the_prompt_whatever_the_measure(settled_explorer: sw.Explorer, front: Front) -> None:
    explorer = settled_explorer
    all_effects(explorer, front)
    before = explorer.effects
    explorer.shade = "effect"
    assert front.ask("trace", settings=settings(explorer, importance="l2"))["ok"]
    assert explorer.trace.importance == "l2"
    assert explorer.effects == before
    assert front.ask("trace", settings=settings(explorer, masks="mlp+residual"))["ok"]
    assert explorer.effects == before
    other = settings(explorer, prompt="w3 w4 w5")
    first = settings(explorer)
    assert front.ask("trace", settings={**other, "position": -1})["ok"]
    assert explorer.effects is None
    assert front.ask("trace", settings=first)["ok"]  # undo
    assert (explorer.effects, explorer.shade) == (before, "effect")


def test_the_browser_brings_them_from_a_session_file(
    settled_explorer: sw.Explorer, front: Front, tmp_path: Path
) -> None:
    explorer = settled_explorer
    all_effects(explorer, front)
    before = explorer.effects
    kept = json.loads(explorer.save_session(tmp_path / "session.json").read_text())["effects"]
    explorer.trace.effect_maps.clear()
    explorer._show_effects()
    assert explorer.effects is None

    broken = kept | {"total_variation": kept["total_variation"] | {"shape": [1, 15]}}
    edges = explorer.n_edges
    explorer.set_state({"effects": broken, "n_edges": edges + 1})
    assert "no effects of this trace" in explorer.status["message"]
    assert (explorer.effects, explorer.n_edges) == (None, edges)
    explorer.set_state({"effects": kept})
    assert explorer.effects == before
    assert explorer.session.effects.known.all()
    explorer.set_state({"effects": None})  # nobody forgets what is known
    assert explorer.effects == before


def test_another_prompt_ends_them(settled_explorer: sw.Explorer, front: Front, batches: BatchGate) -> None:
    explorer = settled_explorer
    front.ask("effects")
    assert batches.begun.acquire(timeout=20)
    front.tell(id="t", kind="trace", settings=settings(explorer, prompt="w3 w4 w5", position=-1))
    batches.let_through()  # the batch under way
    front.wait_for(lambda: any(answer["id"] == "t" for answer in front.answers))
    settled(explorer)
    assert explorer.effects is None
    assert not batches.begun.acquire(timeout=0.3)


def test_a_shade_that_does_not_exist_is_refused(settled_explorer: sw.Explorer) -> None:
    with pytest.raises(Exception, match="shade"):
        settled_explorer.shade = "mood"


# Files and pages.


def test_session_files_traces_and_replays_have_them(
    tiny: Any, settled_explorer: sw.Explorer, front: Front, tmp_path: Path
) -> None:
    explorer = settled_explorer
    all_effects(explorer, front)
    explorer.shade = "logit"
    session = explorer.save_session(tmp_path / "session.json")
    replay = sw.load_trace(explorer.save(tmp_path / "x.strace")).explore()
    anew = sw.trace(tiny, explorer.trace.prompt).explore(session)
    for each in (replay, anew):
        assert each.shade == "logit"
        for name in ("known", "total_variation", "logit_change"):
            np.testing.assert_array_equal(decoded(each.effects[name]), decoded(explorer.effects[name]))
    assert anew.trace.effects(by="component", progress=False).known.all()
    replay.close()
    anew.close()


@pytest.mark.parametrize("change", [{"known": None}, {"known": [1]}, {"shade": "mood"}])
def test_a_session_file_with_other_effects_is_refused(
    tiny: Any, settled_explorer: sw.Explorer, front: Front, tmp_path: Path, change: dict[str, Any]
) -> None:
    all_effects(settled_explorer, front)
    path = settled_explorer.save_session(tmp_path / "session.json")
    content = json.loads(path.read_text())
    if "shade" in change:
        content |= change
    else:
        ((name, values),) = change.items()
        content["effects"][name] = values and {"dtype": "uint8", "shape": [len(values)], "data": "AQ" * len(values)}
    path.write_text(json.dumps(content, allow_nan=False))
    with pytest.raises(sw.errors.SessionFileError, match="session file"):
        sw.trace(tiny, settled_explorer.trace.prompt).explore(path)


def test_weights_into_the_explained_token_and_entries_are_those_of_the_edges(tiny_trace: sw.STrace) -> None:
    figures = node_figures(tiny_trace)
    for layer in range(3):
        for head in range(4):
            weights = tiny_trace.weights.attention[layer, head, -1]
            assert figures["weight_into_last"][layer, head] == pytest.approx(weights.sum(), abs=1e-6)
            first = int(figures["entry_n_edges"][layer, head])
            ranks = tiny_trace.ranks.attention[layer, head]
            assert (ranks < first).sum() == 1
            assert (ranks < first - 1).sum() == 0
        assert figures["entry_n_edges"][layer, 4] == tiny_trace.ranks.mlp[layer].min() + 1
        assert figures["weight_into_last"][layer, 4] == pytest.approx(tiny_trace.weights.mlp[layer, -1], abs=1e-6)
    assert figures["entry_n_edges"].max() < NOT_IN_GRAPH


def test_a_page_shows_what_was_computed_and_says_what_was_not(
    browser: Browser, tiny_trace: sw.STrace, tmp_path: Path
) -> None:
    page = new_page(browser)
    page.goto(tiny_trace.to_html(tmp_path / "without.html").as_uri())
    options = page.get_by_test_id("shade").locator("option")
    expect(options.nth(0)).to_be_enabled()
    for effect in (1, 2):
        expect(options.nth(effect)).to_be_disabled()
        expect(options.nth(effect)).to_contain_text("not computed")
    tiny_trace.effects(by="component", progress=False)
    page.goto(tiny_trace.to_html(tmp_path / "with.html").as_uri())
    page.get_by_test_id("shade").select_option("effect")
    found = tiny_trace.effects(progress=False)
    layer, head = (int(part) for part in found.largest(1)[0].split("."))
    cell = page.locator(f'[data-component="{layer}.{head}"]')
    expect(cell).to_have_attribute("aria-label", re.compile(f"TV {found.total_variation[layer, head]:.3f} when off"))
    page.close()
