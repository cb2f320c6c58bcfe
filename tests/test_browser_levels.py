"""The Explorer opens before any level was run, in Chromium: what is there, what can be done, how the curve comes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browser_steps import by_pointer_and_keyboard, expect_answer, picture, size_of, use, wait_answered
from explorer_steps import Gate
from live_page import axe, mount_live
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw
from strace_widgets.results.adaptive_sweep import FIRST

pytestmark = pytest.mark.browser


def n_points(card: Locator) -> int:
    """Of how many levels the curve is drawn."""
    return len(re.findall("[ML]", card.locator(".sw-line").get_attribute("d") or ""))


def expect_levels(card: Locator, n_levels: int) -> None:
    expect(card.locator(".sw-stage")).to_contain_text(f"{n_levels} sizes so far")
    assert n_points(card) == n_levels


@pytest.fixture
def opened(gate: Gate, explorer: sw.Explorer, page: Page) -> Locator:
    """The card, with every round held back."""
    del gate
    return mount_live(page, explorer)


def test_the_card_is_whole_before_the_first_level(opened: Locator, explorer: sw.Explorer, page: Page) -> None:
    trace = explorer.trace
    expect(opened.get_by_test_id("progress")).to_be_visible()
    expect(opened.get_by_test_id("cancel")).to_be_enabled()
    expect(opened.locator(".sw-tokens button")).to_have_count(len(trace.tokens))
    rows = opened.get_by_test_id("token-row").evaluate_all("rows => rows.map(row => row.dataset.token)")
    assert rows[:5] == [token.token for token in trace.top[:5]]
    expect(opened.get_by_role("grid").first).to_be_visible()
    slider = opened.get_by_test_id("slider")
    expect(slider).to_be_disabled()
    expect(opened.locator(".sw-curve-head")).to_contain_text("on their way")
    assert size_of(opened) == trace.n_edges
    box = opened.locator(".sw-curve svg").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert size_of(opened) == trace.n_edges  # nothing is known of smaller ones yet
    assert axe(page) == []
    picture(opened, "levels-none")


def test_levels_are_dragged_over_while_more_come(
    opened: Locator, explorer: sw.Explorer, page: Page, gate: Gate
) -> None:
    gate.let_through()
    expect_levels(opened, FIRST)
    picture(opened, "levels-first")
    box = opened.locator(".sw-curve svg").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    page.mouse.down()
    sizes = []
    for place in (0.7, 0.5, 0.3):
        page.mouse.move(box["x"] + box["width"] * place, middle, steps=4)
        sizes.append(size_of(opened))
    assert sizes == sorted(set(sizes), reverse=True)
    page.mouse.up()
    chosen = size_of(opened)
    gate.let_through(100)
    wait_answered(opened)
    sweep = explorer.trace.sweep()
    assert n_points(opened) == len(sweep) > FIRST
    assert explorer.n_edges == chosen  # what was chosen stays
    expect_answer(opened, explorer.session.evaluate(chosen, {}))
    expect(opened.locator(".sw-stage")).to_have_count(0)
    expect(opened.get_by_test_id("more-levels")).to_have_count(0)


def test_it_ends_where_the_top_token_returns_and_that_is_the_first_step(
    opened: Locator, explorer: sw.Explorer, page: Page, gate: Gate
) -> None:
    gate.let_through(100)
    while not explorer.session.complete:
        page.wait_for_timeout(50)
    start = explorer.session.start_size()
    expect(opened.get_by_test_id("edges")).to_have_attribute("data-edges", str(start))
    wait_answered(opened)
    assert size_of(opened) == start < explorer.trace.n_edges
    opened.get_by_test_id("slider").press("End")
    wait_answered(opened)
    assert size_of(opened) == explorer.trace.n_edges
    page.wait_for_function("mounted[0].model.get('history').steps.length === 2")
    opened.get_by_test_id("slider").press("Control+z")
    expect(opened.get_by_test_id("edges")).to_have_attribute("data-edges", str(start))
    wait_answered(opened)
    steps = page.evaluate("mounted[0].model.get('history').steps.map(step => step.n_edges)")
    assert steps == [start, explorer.trace.n_edges]


@by_pointer_and_keyboard
def test_levels_are_cancelled_and_gone_on_with(opened: Locator, explorer: sw.Explorer, gate: Gate, means: Any) -> None:
    gate.let_through()
    expect_levels(opened, FIRST)
    use(opened.get_by_test_id("cancel"), means)
    gate.let_through()
    expect(opened.get_by_test_id("outcome")).to_contain_text("as coarse as it is")
    wait_answered(opened)
    assert n_points(opened) == FIRST
    gate.let_through(100)
    use(opened.get_by_test_id("more-levels"), means)
    expect(opened.get_by_test_id("more-levels")).to_have_count(0)
    wait_answered(opened)
    assert n_points(opened) == len(explorer.trace.sweep())


def test_an_error_is_on_screen_and_tried_again(opened: Locator, explorer: sw.Explorer, gate: Gate) -> None:
    gate.reason = RuntimeError("the accelerator caught fire")
    gate.let_through()
    expect(opened.get_by_test_id("error")).to_contain_text("No further levels. the accelerator caught fire")
    expect(opened.get_by_test_id("slider")).to_be_disabled()
    gate.reason = None
    gate.let_through(100)
    opened.get_by_test_id("again").click()
    expect(opened.get_by_test_id("error")).to_have_count(0)
    wait_answered(opened)
    assert n_points(opened) == len(explorer.trace.sweep())


def test_settings_are_changed_while_levels_come(opened: Locator, explorer: sw.Explorer, gate: Gate) -> None:
    gate.let_through()
    expect_levels(opened, FIRST)
    opened.get_by_test_id("importance").select_option("l2")
    gate.let_through(100)
    expect(opened.get_by_test_id("importance")).to_have_value("l2")
    wait_answered(opened)
    assert explorer.trace.importance == "l2"
    assert n_points(opened) == len(explorer.trace.sweep())
