"""What is traced, in Chromium with the Explorer of Python behind the page: settings, prompt, curves, errors."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from browser_steps import Means, by_pointer_and_keyboard, expect_answer, picture, use, wait_answered
from live_page import axe
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw
from strace_widgets.explorer import session as sessions

pytestmark = pytest.mark.browser


def expect_in_step(card: Locator, explorer: sw.Explorer, **settings: Any) -> None:
    """Python traced what was asked for, and the card shows its numbers."""
    expect(card.get_by_test_id("progress")).to_have_count(0)
    wait_answered(card)
    now = explorer.session.settings
    assert {name: getattr(now, name) for name in settings} == settings
    expect_answer(card, explorer.session.evaluate(explorer.n_edges, explorer.toggles))


def choose(select: Locator, value: str, letter: str, means: Means) -> None:
    """Choose from a closed list: by the list, or by the letter with which one option alone begins."""
    if means == "pointer":
        select.select_option(value)
    else:
        select.press(letter)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let every trace wait until the event is set."""
    go_on = threading.Event()
    honest = sessions.trace_prompt

    def slow(*asked: Any) -> sw.STrace:
        assert go_on.wait(30)
        return honest(*asked)

    monkeypatch.setattr(sessions, "trace_prompt", slow)
    yield go_on
    go_on.set()


@by_pointer_and_keyboard
def test_measure_and_masks_are_chosen(live: Locator, explorer: sw.Explorer, means: Means) -> None:
    wait_answered(live)
    importance, masks = (live.get_by_test_id(name) for name in ("importance", "masks"))
    choose(importance, "cosine", "c", means)
    expect(importance).to_have_value("cosine")
    expect_in_step(live, explorer, importance="cosine", masks="all")
    choose(masks, "mlp+residual", "m", means)
    expect(masks).to_have_value("mlp+residual")
    expect_in_step(live, explorer, importance="cosine", masks="mlp+residual")
    if means == "keyboard":
        expect(masks).to_be_focused()
    picture(live, "settings")


@by_pointer_and_keyboard
def test_an_earlier_token_is_explained(page: Page, live: Locator, explorer: sw.Explorer, means: Means) -> None:
    wait_answered(live)
    if means == "pointer":
        live.get_by_test_id("token-3").click()
    else:
        live.get_by_test_id("token-5").focus()
        for key in ("Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowLeft", "ArrowLeft", "Enter"):
            page.keyboard.press(key)
    expect(live.get_by_test_id("token-3")).to_have_attribute("aria-pressed", "true")
    expect(live.get_by_test_id("token-3")).to_be_focused()
    expect_in_step(live, explorer, position=3)
    assert explorer.trace.tokens == ["w5", "w17", "w3", "w88"]
    picture(live, "earlier-token")


@by_pointer_and_keyboard
def test_the_prompt_is_edited_in_place(page: Page, live: Locator, explorer: sw.Explorer, means: Means) -> None:
    wait_answered(live)
    edit, field = live.get_by_test_id("prompt-edit"), live.get_by_test_id("prompt-input")
    use(edit, means)
    expect(field).to_be_focused()
    page.keyboard.type("w8 w9")
    assert axe(page) == []
    picture(live, "prompt-edit")
    page.keyboard.press("Escape") if means == "keyboard" else live.get_by_role("button", name="Cancel").click()
    expect(field).to_have_count(0)
    expect(edit).to_be_focused()
    expect_in_step(live, explorer, prompt="w5 w17 w3 w88 w41 w2")

    use(edit, means)
    page.keyboard.press("Shift+End")
    page.keyboard.type("w8 w9 w10")
    page.keyboard.press("Enter") if means == "keyboard" else live.get_by_role(
        "button", name="Trace", exact=True
    ).click()
    expect(live.get_by_test_id("token-2")).to_have_attribute("aria-pressed", "true")
    expect_in_step(live, explorer, prompt="w8 w9 w10", position=2)
    expect(edit).to_be_focused()


def test_keys_in_the_card_and_its_prompt_stay_there(page: Page, live: Locator, explorer: sw.Explorer) -> None:
    """Jupyter's keys for cells, the grid's and the history's are letters and arrows here."""
    heard = page.evaluate_handle(
        """() => { const heard = [];
                   document.addEventListener("keydown", ({ key }) => heard.push(key)); return heard; }"""
    )
    page.keyboard.press("x")  # the focus is not in the card yet
    live.locator("[data-component='1.2']").press("Enter")
    live.get_by_test_id("save").press("d")
    wait_answered(live)
    before = explorer.n_edges, explorer.toggles
    live.get_by_test_id("prompt-edit").click()
    page.keyboard.type("w1 a b d x z y m")
    for key in ("Home", "ArrowUp", "ArrowDown", "PageUp", "Control+z", "Control+Shift+z", "Shift+Enter"):
        page.keyboard.press(key)
    expect(live.get_by_test_id("prompt-input")).to_be_focused()
    page.keyboard.press("Escape")
    assert heard.json_value() == ["x"]  # and nothing from the card
    assert (explorer.n_edges, explorer.toggles) == before
    # A host that looks for this attribute leaves all keys in the card to the card.
    assert live.evaluate("card => card.dataset.lmSuppressShortcuts") == "true"


def test_progress_is_shown_and_the_old_numbers_are_called_stale(
    page: Page, live: Locator, explorer: sw.Explorer, held: threading.Event
) -> None:
    wait_answered(live)
    undo = live.get_by_test_id("undo")
    live.locator("[data-component='1.2']").press("Enter")
    wait_answered(live)
    numbers = live.get_by_test_id("token-row").all_inner_texts()
    live.get_by_test_id("importance").select_option("l2")
    expect(live.get_by_test_id("progress")).to_be_visible()
    expect(live.locator(".sw-stage")).to_contain_text("weighing and ranking every edge")
    expect(live.get_by_test_id("state")).to_have_attribute("data-state", "stale")
    assert live.get_by_test_id("token-row").all_inner_texts() == numbers
    expect(live.locator(".sw-body")).to_have_attribute("inert", "")
    assert axe(page) == []
    picture(live, "progress")
    held.set()
    expect_in_step(live, explorer, importance="l2")

    explorer.session.sessions.most = 1  # the former trace is not kept, so that the way back takes its time
    held.clear()  # the focus waits inside the card, and comes back
    undo.press("Enter")
    expect(live.get_by_test_id("progress")).to_be_visible()
    held.set()
    expect_in_step(live, explorer, importance="l1")
    expect(undo).to_be_focused()


@by_pointer_and_keyboard
def test_a_trace_under_way_is_cancelled_and_everything_stays(
    page: Page, live: Locator, explorer: sw.Explorer, held: threading.Event, means: Means
) -> None:
    wait_answered(live)
    before = explorer.n_edges, explorer.evaluation, live.get_by_test_id("token-row").all_inner_texts()
    live.get_by_test_id("importance").select_option("l2")
    expect(live.locator(".sw-stage")).to_contain_text("weighing and ranking every edge")
    expect(live.get_by_test_id("stage-spoken")).to_have_text("weighing and ranking every edge")
    use(live.get_by_test_id("cancel"), means)
    expect(live.get_by_test_id("cancel")).to_be_disabled()
    expect(live.get_by_test_id("importance")).to_be_focused()
    held.set()
    expect(live.get_by_test_id("outcome")).to_have_text("Cancelled: everything is as it was.")
    expect(live.get_by_test_id("cancel")).to_have_count(0)
    expect(live.get_by_test_id("error")).to_have_count(0)
    expect(live.get_by_test_id("importance")).to_have_value("l1")
    assert (explorer.n_edges, explorer.evaluation, live.get_by_test_id("token-row").all_inner_texts()) == before
    assert axe(page) == []
    picture(live, "cancelled")
    live.get_by_test_id("masks").select_option("mlp+residual")  # the next one is no longer given up
    expect(live.get_by_test_id("masks")).to_have_value("mlp+residual")
    expect_in_step(live, explorer, importance="l1", masks="mlp+residual")


def test_another_measure_keeps_size_and_toggles(live: Locator, explorer: sw.Explorer) -> None:
    """The graph is the same; with another prompt it is not."""
    wait_answered(live)
    live.locator("[data-component='1.2']").click()
    live.get_by_test_id("slider").press("End")
    live.get_by_test_id("slider").press("PageDown")
    wait_answered(live)
    kept = explorer.n_edges, explorer.toggles
    live.get_by_test_id("importance").select_option("l2")
    expect_in_step(live, explorer, importance="l2")
    assert (explorer.n_edges, explorer.toggles) == kept
    live.get_by_test_id("masks").select_option("mlp+residual")
    expect_in_step(live, explorer, masks="mlp+residual")
    assert (explorer.n_edges, explorer.toggles) == kept
    live.get_by_test_id("token-3").click()
    expect_in_step(live, explorer, position=3)
    assert explorer.toggles == {}


@by_pointer_and_keyboard
def test_a_prompt_that_cannot_be_traced_is_refused_in_place(
    page: Page, live: Locator, explorer: sw.Explorer, means: Means
) -> None:
    """The text stays for another try, the last good trace stays on screen."""
    wait_answered(live)
    before = live.get_by_test_id("token-row").all_inner_texts()
    use(live.get_by_test_id("prompt-edit"), means)
    page.keyboard.type(" ")
    page.keyboard.press("Enter")
    error = live.get_by_test_id("error")
    expect(error).to_contain_text("prompt")
    expect(error).to_have_role("alert")
    expect(error).to_contain_text("Not traced.")
    expect(live.get_by_test_id("state")).to_have_text("exact")  # the reading did not fail
    prompt, told = live.get_by_test_id("prompt-input").bounding_box(), error.bounding_box()
    assert prompt is not None
    assert told is not None
    assert 0 < told["y"] - prompt["y"] < 80  # beside what it is about
    expect(live.get_by_test_id("prompt-input")).to_have_value(" ")
    assert live.get_by_test_id("token-row").all_inner_texts() == before
    assert axe(page) == []
    picture(live, "refused")
    use(live.get_by_test_id("dismiss"), means)
    expect(error).to_have_count(0)
    expect(live.locator(":focus")).to_have_count(1)
    live.get_by_test_id("prompt-input").press("Escape")
    expect_in_step(live, explorer, prompt="w5 w17 w3 w88 w41 w2")


@by_pointer_and_keyboard
def test_a_failed_evaluation_is_tried_again(
    live: Locator, explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch, means: Means
) -> None:
    wait_answered(live)
    before = live.get_by_test_id("token-row").all_inner_texts()

    def fail(*_: Any) -> None:
        raise RuntimeError("the model fell over")

    with monkeypatch.context() as patched:
        patched.setattr(explorer.session, "evaluate", fail)
        use(live.locator("[data-component='1.2']"), means)
        expect(live.get_by_test_id("error")).to_contain_text("the model fell over")
        expect(live.get_by_test_id("state")).to_have_attribute("data-state", "stale")
        assert live.get_by_test_id("token-row").all_inner_texts() == before
    use(live.get_by_role("button", name="Try again"), means)
    expect(live.get_by_test_id("error")).to_have_count(0)
    expect_answer(live, explorer.session.evaluate(explorer.n_edges, {"1.2": "off"}))
    expect(live.locator(":focus")).to_have_count(1)


@by_pointer_and_keyboard
def test_other_curves_are_drawn_and_taken_away(page: Page, live: Locator, explorer: sw.Explorer, means: Means) -> None:
    wait_answered(live)
    menu, draw = (live.get_by_test_id(name) for name in ("compare-measures", "draw-measures"))
    names = ("l2", "random", "inverse")
    use(menu, means)
    assert axe(page) == []
    expect(draw).to_be_disabled()
    for name in names:
        use(live.get_by_test_id(f"measure-{name}"), means, "Space")
    picture(live, "measures")
    use(draw, means)
    for name in names:
        expect(live.get_by_test_id("other-curves")).to_contain_text(name)
    expect(menu).to_be_focused()
    assert {curve["name"] for curve in explorer.curves} == set(names)
    wait_answered(live)
    expect(live.get_by_test_id("curve-legend").locator("li")).to_have_text([re.compile("TV")] * 4)
    use(menu, means)
    picture(live, "other-curves")
    for name in names[1:]:
        use(live.get_by_test_id(f"measure-{name}"), means, "Space")
    use(draw, means)
    expect(live.get_by_test_id("other-curves").locator(".sw-other-line")).to_have_count(1)
    assert [curve["name"] for curve in explorer.curves] == ["l2"]
    use(menu, means)
    page.keyboard.press("Escape")
    expect(draw).not_to_be_visible()
    expect(menu).to_be_focused()
