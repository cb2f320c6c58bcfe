"""What the browser tests do and read on the Explorer's card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest
from live_page import SCREENSHOTS, Recording
from playwright.sync_api import Locator, Page, expect

Means = Literal["pointer", "keyboard"]
by_pointer_and_keyboard = pytest.mark.parametrize("means", ["pointer", "keyboard"])


def use(target: Locator, means: Means, key: str = "Enter") -> None:
    """Use a control: click it, or press a key on it."""
    if means == "pointer":
        target.click()
    else:
        target.press(key)


def size_of(card: Locator) -> int:
    return int(card.get_by_test_id("edges").get_attribute("data-edges") or 0)


def tv_of(card: Locator) -> float:
    return float(card.get_by_test_id("tv").inner_text())


def wait_answered(card: Locator) -> None:
    expect(card.get_by_test_id("state")).to_have_attribute("data-state", "exact")
    expect(card.get_by_test_id("state")).to_have_attribute("data-running", "false")


def expect_answer(card: Locator, answer: Mapping[str, Any]) -> None:
    """What is on screen is one evaluation of Python's."""
    expect(card.get_by_test_id("edges")).to_have_attribute("data-edges", str(answer["edges_kept"]))
    wait_answered(card)
    assert tv_of(card) == pytest.approx(answer["total_variation"], abs=6e-4)
    probabilities = {token["token"]: token["probability"] for token in answer["top"]}
    for row in card.get_by_test_id("token-row").all():
        shown = float(row.get_attribute("data-probability") or -1)
        assert shown == pytest.approx(probabilities[row.get_attribute("data-token") or ""], abs=1e-6)


def expect_numbers(card: Locator, recording: Recording, toggles: dict[str, str]) -> None:
    """What is on screen is what Python computed for these toggles."""
    wait_answered(card)
    expect_answer(card, recording.answer(recording.state["n_edges"], toggles))


def saved(page: Page, which: int = 0) -> list[list[Any]]:
    """Return the requests that a kernel would have seen."""
    return page.evaluate("which => mounted[which].model.saved", which)


def picture(card: Locator, name: str) -> None:
    card.page.mouse.move(0, 0)
    card.screenshot(path=SCREENSHOTS / f"browser-{name}.png")


def move_over(card: Locator, share: float) -> None:
    """Move the pointer over the curve, to a share of its width."""
    box = card.locator(".sw-curve").bounding_box()
    assert box is not None
    card.page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=4)


def drag(card: Locator, *shares: float) -> None:
    move_over(card, shares[0])
    card.page.mouse.down()
    for share in shares[1:]:
        move_over(card, share)
    card.page.mouse.up()
