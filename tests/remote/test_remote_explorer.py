"""The Explorer in Chromium, over a model on a real server: stages, numbers, errors, and what is not waited for."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nnsight
import pytest
import rig
from browser_steps import expect_answer, picture, wait_answered
from live_page import axe, mount_live
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw

pytestmark = [pytest.mark.remote, pytest.mark.browser]

PROMPT = "The Eiffel Tower is in the city"

# The stages that were drawn, in order, however short they were.
WATCH = """() => {
  window.drawn = [];
  new MutationObserver(() => {
    const stage = document.querySelector("[data-testid=job]")?.dataset.stage;
    if (stage && drawn.at(-1) !== stage) drawn.push(stage);
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""
STAGES = {"received", "queued", "provisioning", "deploying", "dispatched", "running", "completed"}


@pytest.fixture(autouse=True, scope="module")
def _patient() -> Iterator[None]:
    """Give the server its time: what is expected here waits in a queue, and for a sandbox to start."""
    expect.set_options(timeout=60_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def explorer(browser: Browser, remote_model: Any) -> Iterator[sw.Explorer]:
    """Its results arrive on the event loop of Playwright, which the browser has started."""
    del browser
    explorer = sw.Explorer(sw.trace(remote_model("tiny-llama"), PROMPT), loop=asyncio.get_running_loop())
    yield explorer
    explorer.close()


@pytest.fixture
def card(page: Page, explorer: sw.Explorer) -> Locator:
    card = mount_live(page, explorer)
    wait_answered(card)
    page.evaluate(WATCH)
    return card


def test_switches_are_evaluated_on_the_server_and_its_stages_are_shown(
    page: Page, card: Locator, explorer: sw.Explorer, local_model: Any
) -> None:
    expect(card.get_by_test_id("server-line")).to_have_text("on 127.0.0.1:20800")
    for head in ("1.2", "0.1"):
        card.locator(f"[data-component='{head}']").click()
    expect(card.get_by_test_id("tried-chip")).to_have_count(2)
    wait_answered(card)
    drawn = page.evaluate("drawn")
    assert drawn
    assert set(drawn) <= STAGES
    expect(card.get_by_test_id("job")).to_have_count(0)
    expect(card.get_by_test_id("stage-spoken")).to_have_text("")

    local = sw.trace(local_model("tiny-llama"), PROMPT)
    truth = local.evaluate([explorer.size], {"1.2": "off", "0.1": "off"})
    assert explorer.evaluation["toggles"] == {"1.2": "off", "0.1": "off"}
    expect_answer(card, explorer.evaluation)
    assert explorer.total_variation == pytest.approx(truth.total_variation[0], abs=1e-5)
    assert [token["token"] for token in explorer.top_tokens[:5]] == [token.token for token in truth.top[0][:5]]
    assert axe(page) == []
    picture(card, "remote")


def test_a_trace_on_the_server_keeps_size_and_switches_and_shows_its_stages(
    page: Page, card: Locator, explorer: sw.Explorer, local_model: Any
) -> None:
    card.locator("[data-component='1.2']").click()
    wait_answered(card)
    before = explorer.n_edges
    card.get_by_test_id("importance").select_option("l2")
    expect(card.get_by_test_id("importance")).to_have_value("l2")
    wait_answered(card)
    assert page.evaluate("drawn")
    assert (explorer.n_edges, explorer.toggles) == (before, {"1.2": "off"})
    truth = sw.trace(local_model("tiny-llama"), PROMPT, "l2").evaluate([explorer.size], {"1.2": "off"})
    assert explorer.total_variation == pytest.approx(truth.total_variation[0], abs=1e-5)


def failing(explorer: sw.Explorer, kind: str) -> Any:
    """Return the session's model such that its next job is given up here, or fails on the server."""
    model = explorer.trace.model
    if kind == "time":
        return replace(model, server=replace(model.server, timeout=0.0))
    return replace(model, architecture=replace(model.architecture, mlp_write="no_such_part"))


@pytest.mark.parametrize(("kind", "sentence"), [("time", "after 0 s"), ("run", "The job failed on")])
@pytest.mark.parametrize("asked", ["evaluation", "trace"])
def test_an_error_is_shown_in_place_with_the_servers_words_and_tried_again(
    page: Page, card: Locator, explorer: sw.Explorer, asked: str, kind: str, sentence: str
) -> None:
    good, before = explorer.trace, card.get_by_test_id("token-row").all_inner_texts()
    explorer.session.trace = replace(good, model=failing(explorer, kind))
    if asked == "evaluation":
        card.locator("[data-component='1.2']").click()
    else:
        card.get_by_test_id("importance").select_option("l2")
    error = card.get_by_test_id("error")
    expect(error).to_contain_text("Not evaluated." if asked == "evaluation" else "Not traced.")
    expect(error).to_contain_text(sentence)
    expect(error).to_be_in_viewport()
    assert card.get_by_test_id("token-row").all_inner_texts() == before
    if asked == "trace":
        expect(card.get_by_test_id("state")).to_have_text("exact")
    if kind == "run":
        detail = card.get_by_test_id("error-detail")
        expect(detail).not_to_be_visible()
        error.locator("summary").click()
        expect(detail).to_be_visible()
        expect(detail).to_contain_text("Traceback")
        expect(detail).to_contain_text("no_such_part")
    assert axe(page) == []
    picture(card, f"remote-error-{asked}-{kind}")
    assert rig.KEY not in page.content()
    assert rig.KEY not in str(explorer.get_state())

    explorer.session.trace = good
    card.get_by_test_id("again").click()
    expect(error).to_have_count(0)
    if asked == "trace":
        expect(card.get_by_test_id("importance")).to_have_value("l2")
    wait_answered(card)
    expect_answer(card, explorer.session.evaluate(explorer.n_edges, explorer.toggles))


def test_a_job_is_waited_for_no_longer_and_asked_for_again(page: Page, card: Locator, explorer: sw.Explorer) -> None:
    # In one breath, before the server can have answered.
    page.evaluate(
        """() => { const { model } = mounted[0];
                   model.set("toggles", { "1.2": "off" });
                   model.save_changes();
                   model.send({ id: "stop", kind: "cancel" }); }"""
    )
    expect(card.get_by_test_id("stopped")).to_be_visible()
    expect(card.get_by_test_id("state")).to_have_attribute("data-state", "stale")
    expect(card.get_by_test_id("error")).to_have_count(0)
    picture(card, "remote-stopped")
    card.get_by_test_id("evaluate-again").click()
    wait_answered(card)
    expect(card.get_by_test_id("stopped")).to_have_count(0)
    expect_answer(card, explorer.session.evaluate(explorer.n_edges, {"1.2": "off"}))


@pytest.mark.parametrize("program", ["strace_widgets", "nnsight"])
def test_copied_programs_run_on_the_server_and_hold_no_key(
    card: Locator,
    explorer: sw.Explorer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    program: str,
) -> None:
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", rig.KEY)  # nnsight reads the environment once, on import
    card.get_by_test_id("code").click()
    expect(card.get_by_test_id("code-note")).to_contain_text("The model runs on http://127.0.0.1:20800")
    text = explorer.code()[program]
    assert f"remote='{rig.URL}'" in text
    assert rig.KEY not in text
    file = tmp_path / f"{program}.py"
    file.write_text(text)
    runpy.run_path(str(file), run_name="__main__")
    printed = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("TV "))
    assert float(printed.split()[1]) == pytest.approx(explorer.total_variation, abs=1e-5)
