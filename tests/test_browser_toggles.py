"""Heads, MLPs, layers and tokens in Chromium, by pointer and keyboard."""

from __future__ import annotations

import re

import pytest
from browser_steps import (
    Means,
    by_pointer_and_keyboard,
    expect_numbers,
    picture,
    saved,
    use,
)
from conftest import LAYER_2
from live_page import Recording
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser


def place(page: Page) -> str | None:
    """Where in the grid the focus is."""
    return page.evaluate("document.activeElement.dataset.place ?? null")


def test_the_grid_has_keys(page: Page, card: Locator) -> None:
    card.locator("[data-component='1.1']").focus()
    for key, target in {
        "ArrowRight": "1.3",
        "ArrowLeft": "1.2",
        "ArrowUp": "2.2",
        "ArrowDown": "1.2",
        "End": "1.5",
        "Home": "1.0",
        "Control+End": "0.5",
        "Control+Home": "2.0",
    }.items():
        page.keyboard.press(key)
        assert place(page) == target, key
    page.keyboard.press("Enter")  # on a layer's number: it opens
    expect(card.get_by_test_id("open-layer")).to_be_visible()
    page.keyboard.press("Tab")
    expect(card.get_by_test_id("open-layer").get_by_role("button").first).to_be_focused()


@by_pointer_and_keyboard
def test_a_head_is_cycled(card: Locator, recording: Recording, means: Means) -> None:
    head = card.locator("[data-component='1.2']")
    steps: list[tuple[str, dict[str, str]]] = [("Enter", {"1.2": "off"}), ("Space", {"1.2": "on"}), ("Enter", {})]
    for key, toggles in steps:
        use(head, means, key)
        expect(head).to_have_attribute("data-state", toggles.get("1.2", "auto"))
        expect(head).to_have_attribute("aria-label", re.compile(f", {toggles.get('1.2', 'auto')}, "))
        expect_numbers(card, recording, toggles)
        if toggles:
            expect(card.get_by_test_id("announcement")).to_contain_text(f"Head 1.2 {toggles['1.2']}: TV")
    expect(head).to_be_focused()


@by_pointer_and_keyboard
def test_toggles_are_taken_back_by_their_chips(page: Page, card: Locator, recording: Recording, means: Means) -> None:
    head, mlp = (card.locator(f"[data-component='{key}']") for key in ("1.2", "0.mlp"))
    use(head, means)
    use(mlp, means)
    use(mlp, means)
    expect_numbers(card, recording, {"1.2": "off", "0.mlp": "on"})
    picture(card, "toggled")
    use(card.get_by_role("button", name="Set Head 1.2 back to auto"), means)
    expect_numbers(card, recording, {"0.mlp": "on"})
    expect(card.locator(":focus")).to_have_count(1)  # the chip is gone; its neighbour has the focus
    use(head, means)
    use(card.get_by_role("button", name="Reset toggles"), means)
    expect_numbers(card, recording, {})
    expect(card.locator(":focus")).to_have_count(1)
    assert saved(page)[-1][1] == {}


@by_pointer_and_keyboard
def test_a_whole_layer_is_switched(card: Locator, recording: Recording, means: Means) -> None:
    number = card.locator("[data-layer='2']")
    use(number, means)
    expect(number).to_have_attribute("aria-expanded", "true")
    layer = card.get_by_test_id("open-layer")
    for state in ("off", "on"):
        use(layer.get_by_role("button", name=state, exact=True), means, "Space")
        expect_numbers(card, recording, dict.fromkeys(LAYER_2, state))
        picture(card, f"layer-{state}")
    use(layer.get_by_role("button", name="auto", exact=True), means)
    expect_numbers(card, recording, {})
    use(layer.locator("[data-node='2.1']"), means)
    expect(card.locator("[data-component='2.1']")).to_have_attribute("data-state", "off")
    use(number, means)
    expect(layer).to_have_count(0)
    expect(number).to_be_focused()


def test_one_layer_is_open_at_a_time_and_the_keys_go_through_it(page: Page, card: Locator) -> None:
    for number in ("0", "1"):
        card.locator(f"[data-layer='{number}']").press("Enter")
    layer = card.get_by_test_id("open-layer")
    expect(layer).to_have_count(1)
    expect(layer).to_contain_text("All of layer 1")
    buttons = layer.get_by_role("button").all()
    for button in buttons:
        page.keyboard.press("Tab")
        expect(button).to_be_focused()
    page.keyboard.press("Tab")
    expect(layer.locator(":focus")).to_have_count(0)
    for _ in range(len(buttons) + 1):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")  # back on the layer's number: it closes
    expect(layer).to_have_count(0)


@by_pointer_and_keyboard
def test_a_node_shows_its_edges(card: Locator, means: Means) -> None:
    node = card.locator("[data-component='2.3']")
    node.hover() if means == "pointer" else node.focus()
    expect(card.get_by_test_id("node-detail")).to_have_attribute("data-node-key", "2.3")
    expect(card.get_by_test_id("node-detail")).to_contain_text("edges in the trace")


def test_the_token_strip_names_what_is_under_the_pointer_and_is_a_table_for_the_keys(
    card: Locator, tiny_trace: sw.STrace
) -> None:
    card.get_by_test_id("slider").press("End")
    strip = card.locator(".sw-positions")
    box = strip.locator(".sw-strip").bounding_box()
    assert box is not None
    cell = box["width"] / len(tiny_trace.tokens)
    strip.locator(".sw-strip").hover(position={"x": 1.5 * cell, "y": box["height"] - 3})
    expect(strip).to_contain_text("layer 0, w17: ")
    card.get_by_role("button", name="Tokens by layers as table").press("Enter")
    rows = card.get_by_role("region", name="Tokens by layers as table").locator("tbody tr")
    expect(rows).to_have_count(len(tiny_trace.tokens))
    assert [row.split("\t")[1] for row in rows.all_inner_texts()] == tiny_trace.tokens


def test_a_burst_of_toggles_ends_in_the_state_of_the_last(page: Page, card: Locator, recording: Recording) -> None:
    """By 200 clicks within one task, and then by 20 real ones."""
    page.evaluate(
        """() => { for (let i = 0; i < 200; i++) {
             document.querySelector(`[data-component="${i % 3 ? "1.2" : "0.mlp"}"]`).click(); } }"""
    )
    # 67 steps of the MLP's toggle and 133 of the head's; each has three states.
    expect_numbers(card, recording, {"1.2": "off", "0.mlp": "off"})
    for _ in range(20):
        card.locator("[data-component='1.2']").click()
    expect_numbers(card, recording, {"0.mlp": "off"})
    expect(card.locator("[data-component='1.2']")).to_have_attribute("data-state", "auto")
