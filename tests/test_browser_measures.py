"""Two measures over each other, in Chromium with the Explorer of Python behind the page: drawn, switched, refused."""

from __future__ import annotations

from typing import Any

import pytest
from browser_steps import (
    Means,
    by_pointer_and_keyboard,
    expect_answer,
    picture,
    size_of,
    use,
    wait_answered,
)
from live_page import SCREENSHOTS, axe
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw
from strace_widgets.explorer import session as sessions

pytestmark = pytest.mark.browser


@pytest.fixture
def other(live: Locator, explorer: sw.Explorer) -> str:
    """The measure that is drawn over the present one at one click."""
    wait_answered(live)
    live.get_by_test_id("counterpart").click()
    expect(live.get_by_test_id("other-curves").locator(".sw-other-line")).to_have_count(1)
    expect(live.get_by_test_id("counterpart")).to_have_count(0)
    wait_answered(live)
    return str(explorer.curves[0]["name"])


def expect_measures(card: Locator, explorer: sw.Explorer, shown: str, drawn: str) -> None:
    """The card shows one measure's numbers, and the other's curve with a button."""
    expect(card.get_by_test_id("importance")).to_have_value(shown)
    expect(card.get_by_test_id(f"switch-{drawn}")).to_be_visible()
    expect(card.get_by_test_id("other-curves")).to_have_text(drawn)
    assert explorer.trace.importance == shown
    expect_answer(card, explorer.session.evaluate(explorer.n_edges, explorer.toggles))


@by_pointer_and_keyboard
def test_one_click_switches_and_the_same_place_switches_back(
    live: Locator, explorer: sw.Explorer, other: str, means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.toggles = {"1.2": "off"}
    explorer.n_edges = 100
    expect_answer(live, explorer.session.evaluate(100, {"1.2": "off"}))
    before = explorer.session, dict(explorer.evaluation or {})
    traced: list[Any] = []
    monkeypatch.setattr(sessions, "trace_prompt", lambda *asked: traced.append(asked))
    there = live.get_by_test_id(f"switch-{other}")
    there.scroll_into_view_if_needed()
    box = there.bounding_box()
    assert box is not None
    use(there, means)
    expect_measures(live, explorer, other, "l1")
    assert (explorer.n_edges, explorer.toggles) == (100, {"1.2": "off"})
    expect(live.get_by_test_id("announcement")).to_contain_text(f"importance {other}")
    picture(live, "measure-switched")
    live.page.evaluate("scrollTo(0, 0)")  # a picture of a tall card scrolls
    if means == "keyboard":
        expect(live.get_by_test_id("switch-l1")).to_be_focused()
        live.page.keyboard.press("Enter")
    else:
        live.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect_measures(live, explorer, "l1", other)
    assert (explorer.session, explorer.evaluation) == before
    assert not traced  # both were there


def test_a_switch_is_undone_and_done_again(live: Locator, explorer: sw.Explorer, other: str) -> None:
    live.get_by_test_id(f"switch-{other}").click()
    expect_measures(live, explorer, other, "l1")
    live.get_by_test_id("undo").click()
    expect_measures(live, explorer, "l1", other)
    live.get_by_test_id("redo").click()
    expect_measures(live, explorer, other, "l1")


def test_a_measure_that_is_refused_leaves_everything_as_it_was(
    page: Page, live: Locator, explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> sw.STrace:
        raise sw.StraceError("The server computes no gradients: choose a measure without them.")

    wait_answered(live)
    before = size_of(live), explorer.n_edges, explorer.session, explorer.curves
    monkeypatch.setattr(sessions, "trace_prompt", refuse)
    live.get_by_test_id("counterpart").press("Enter")
    expect(live.get_by_test_id("error")).to_contain_text("The server computes no gradients")
    assert axe(page) == []
    expect(live.get_by_test_id("counterpart")).to_be_enabled()
    assert (size_of(live), explorer.n_edges, explorer.session, explorer.curves) == before
    live.get_by_test_id("dismiss").click()
    monkeypatch.undo()
    live.get_by_test_id("counterpart").click()
    expect(live.get_by_test_id("other-curves").locator(".sw-other-line")).to_have_count(1)


@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_both_lines_are_named_and_the_one_pointed_at_stands_out(
    page: Page, live: Locator, explorer: sw.Explorer, other: str, look: str
) -> None:
    page.emulate_media(forced_colors="active" if look == "forced" else "none")
    page.evaluate("look => { document.body.dataset.theme = look === 'dark' ? 'dark' : 'light' }", look)
    line, button = live.get_by_test_id("other-curves").locator(".sw-other-line"), live.get_by_test_id(f"switch-{other}")
    width = "line => parseFloat(getComputedStyle(line).strokeWidth)"
    own = live.locator("path.sw-line")
    quiet = line.evaluate(width)
    assert quiet < own.evaluate(width)
    assert line.evaluate("line => getComputedStyle(line).strokeDasharray") != "none"
    legend = live.get_by_test_id("curve-legend").locator("li")
    (curve,) = explorer.curves
    errors = explorer.total_variation, curve["total_variation"][curve["n_edges"].index(explorer.n_edges)]
    for entry, error in zip(legend.all(), errors, strict=True):
        expect(entry).to_contain_text(f"TV {error:.3f}")
        expect(entry).to_contain_text("top-1 returns at")
    assert axe(page) == []
    picture(live, f"{look}-two-measures")
    button.hover()
    assert line.evaluate(width) > own.evaluate(width)
    live.screenshot(path=SCREENSHOTS / f"browser-{look}-measure-pointed-at.png")
    page.mouse.move(0, 0)
    assert line.evaluate(width) == quiet
    live.get_by_test_id("slider").focus()
    while not button.evaluate("button => button.matches(':focus')"):
        page.keyboard.press("Shift+Tab")
    expect(button).to_be_focused()
    assert line.evaluate(width) > own.evaluate(width)
    explorer.n_edges = next(n for n in range(100, explorer.trace.n_edges) if n not in curve["n_edges"])
    wait_answered(live)
    expect(legend.last).to_contain_text("TV ≈")  # the other curve is read between its levels
