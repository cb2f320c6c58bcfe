"""The size in Chromium: the curve by pointer, the slider by keys."""

from __future__ import annotations

import pytest
from browser_steps import (
    Means,
    by_pointer_and_keyboard,
    drag,
    move_over,
    saved,
    size_of,
    use,
)
from conftest import SCREENSHOTS
from live_page import Recording, mount
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser


def test_the_curve_is_dragged(page: Page, card: Locator) -> None:
    move_over(card, 0.8)
    page.mouse.down()
    move_over(card, 0.6)
    during = size_of(card)
    move_over(card, 0.3)
    assert size_of(card) < during
    assert saved(page) == []
    card.screenshot(path=SCREENSHOTS / "browser-dragged.png")  # with the pointer where it is
    page.mouse.up()
    assert [asked[0] for asked in saved(page)] == [size_of(card)]
    move_over(card, 0.9)  # the button is up: the size stays
    assert [asked[0] for asked in saved(page)] == [size_of(card)]
    expect(card.get_by_test_id("slider")).to_be_focused()  # the keys go on from where the pointer left it
    before = size_of(card)
    page.keyboard.press("ArrowRight")
    assert size_of(card) > before


def test_beyond_its_ends_a_drag_stays_at_the_end(card: Locator, recording: Recording) -> None:
    drag(card, 0.5, 1.5)
    assert size_of(card) == recording.state["view_state"]["n_edges"]
    drag(card, 0.5, -0.5)
    assert size_of(card) == 1


@by_pointer_and_keyboard
def test_a_landmark_is_met_exactly(page: Page, card: Locator, recording: Recording, means: Means) -> None:
    """By a click on its name; by Page Up, which stops at every computed level."""
    landmarks = sorted({landmark["n_edges"] for landmark in recording.state["view_state"]["landmarks"]})
    assert len(landmarks) > 2
    slider = card.get_by_test_id("slider")
    slider.press("Home")
    for n_edges in landmarks:
        if means == "pointer":
            card.locator(f"[data-landmark='{n_edges}']").click()
        while size_of(card) < n_edges:
            assert means == "keyboard"
            slider.press("PageUp")
        assert size_of(card) == n_edges
        expect(slider).to_be_focused()
    page.wait_for_function("edges => mounted[0].model.saved.at(-1)?.[0] === edges", arg=landmarks[-1])


def test_after_a_drag_every_cell_is_as_if_drawn_anew(page: Page, card: Locator, recording: Recording) -> None:
    """Shades and labels are written past the renderer, a few a frame: none may be left behind."""
    cells = (
        """card => [...card.querySelectorAll(".sw-cell")].map(cell => [cell.ariaLabel, cell.style.backgroundColor])"""
    )
    strip = """card => card.querySelector("canvas").toDataURL()"""
    drag(card, 0.2, 0.7, 0.4, 0.95, 0.5)
    n_edges = size_of(card)
    fresh = mount(page, recording, n_edges=n_edges)
    dragged = page.get_by_test_id("strace-explorer").first
    assert dragged.evaluate(cells) == fresh.evaluate(cells)
    assert dragged.evaluate(strip) == fresh.evaluate(strip)


def test_the_slider_has_keys(page: Page, card: Locator, recording: Recording) -> None:
    card.get_by_test_id("slider").focus()
    page.keyboard.press("Home")
    assert size_of(card) == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert size_of(card) == 3
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert size_of(card) == 1
    page.keyboard.press("End")
    assert size_of(card) == recording.state["view_state"]["n_edges"]
    page.keyboard.press("PageDown")
    expect(card.get_by_test_id("state")).to_have_attribute("data-state", "exact")
    smaller = size_of(card)
    page.keyboard.press("PageUp")
    assert size_of(card) > smaller
    page.wait_for_function("size => mounted[0].model.saved.at(-1)?.[0] === size", arg=size_of(card))


@by_pointer_and_keyboard
def test_pictures_as_tables_say_what_python_computed(card: Locator, tiny_trace: sw.STrace, means: Means) -> None:
    sweep = tiny_trace.sweep()
    button = card.get_by_role("button", name="Curve as table")
    table = card.get_by_role("region", name="Curve as table")
    use(button, means)
    expect(button).to_have_attribute("aria-expanded", "true")
    rows = table.locator("tbody tr").all_inner_texts()
    assert len(rows) == len(sweep.n_edges)
    for row, n_edges, tv in zip(rows, sweep.n_edges, sweep.total_variation, strict=True):
        cells = row.split("\t")
        assert int(cells[1].replace(",", "")) == n_edges
        assert float(cells[2]) == pytest.approx(tv, abs=6e-4)
    use(button, means, "Space")
    expect(table).to_have_count(0)
    expect(button).to_be_focused()
    card.get_by_test_id("slider").press("End")
    use(card.get_by_role("button", name="Layers as table", exact=True), means)
    cells = card.get_by_role("region", name="Layers as table", exact=True).locator("td")
    assert set(cells.all_inner_texts()) == {"100%"}
    assert cells.count() == tiny_trace.graph.n_layers * (tiny_trace.graph.n_heads + 1)
