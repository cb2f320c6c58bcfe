"""The guided tour, in Chromium: when it comes, how it is walked, and that it is in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_steps import Means, by_pointer_and_keyboard, drag, picture, size_of, use
from live_page import Recording, axe, mount, open_page
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

PARTS = (".sw-prompt", ".sw-curve", ".sw-graph", ".sw-next", ".sw-layers", ".sw-positions", ".sw-foot")
FORGETFUL = "Storage.prototype.setItem = () => {}"
REFUSING = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused') } })"
FOCUS = "document.activeElement === document.body"


@pytest.fixture
def newcomer(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page in a browser that has not seen the tour."""
    page, troubles = open_page(browser, tmp_path / "page.html", toured=False, viewport={"width": 1100, "height": 500})
    yield page
    page.close()
    assert not troubles


def callout(card: Locator) -> Locator:
    return card.get_by_test_id("tour-callout")


def box(element: Locator) -> dict[str, Any]:
    found = element.bounding_box()
    assert found is not None
    return dict(found)


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "width"), ("y", "height"))
    )


def expect_no_tour(card: Locator) -> None:
    """The kernel has answered, and the callout did not come."""
    expect(card.get_by_test_id("node-detail")).to_have_attribute("data-detailed", "true")
    expect(callout(card)).to_have_count(0)


def test_it_comes_once_and_takes_nothing(newcomer: Page, recording: Recording) -> None:
    first = mount(newcomer, recording)
    expect(callout(first)).to_contain_text("1 of 7")
    assert newcomer.evaluate(FOCUS)
    assert newcomer.evaluate("scrollY") == 0
    second = mount(newcomer, recording)
    expect_no_tour(second)
    first = newcomer.get_by_test_id("strace-explorer").first
    first.get_by_test_id("tour-skip").click()
    expect(callout(first)).to_have_count(0)
    newcomer.reload()
    newcomer.wait_for_function("window.ready")
    expect_no_tour(mount(newcomer, recording))


@pytest.mark.parametrize("storage", [FORGETFUL, REFUSING])
def test_it_does_not_come_by_itself_where_that_would_be_forgotten(
    newcomer: Page, recording: Recording, storage: str
) -> None:
    newcomer.evaluate(storage)
    card = mount(newcomer, recording)
    expect_no_tour(card)
    card.get_by_test_id("tour").click()
    expect(callout(card)).to_be_visible()


def test_it_does_not_come_by_itself_in_a_frame(newcomer: Page, recording: Recording) -> None:
    newcomer.evaluate(
        "() => document.body.append(Object.assign(document.createElement('iframe'), { src: location.href }))"
    )
    newcomer.wait_for_function("frames.length === 1")
    frame = newcomer.frames[1]
    frame.wait_for_function("window.ready")
    frame.evaluate("([state, answers]) => mount(state, answers)", [recording.state, recording.answers])
    expect_no_tour(frame.get_by_test_id("strace-explorer"))


def test_it_does_not_come_by_itself_without_a_kernel(newcomer: Page, recording: Recording) -> None:
    card = mount(newcomer, recording, live=False)
    newcomer.evaluate("() => new Promise(requestAnimationFrame)")
    expect(callout(card)).to_have_count(0)
    assert newcomer.evaluate("localStorage.getItem('strace-widgets-tour')") is None
    card.get_by_test_id("tour").click()
    for _ in PARTS[1:]:
        expect(callout(card)).not_to_contain_text("Click")
        card.get_by_test_id("tour-next").click()


@pytest.mark.parametrize("width", [1100, 320])
def test_it_is_walked_by_keyboard(page: Page, recording: Recording, width: int) -> None:
    """Each callout lies in the card, beside its part, in sight; the keys move nothing but the tour."""
    page.set_viewport_size({"width": width, "height": 900})
    card = mount(page, recording)
    before = size_of(card)
    tour, step, next_step = card.get_by_test_id("tour"), callout(card), card.get_by_test_id("tour-next")
    tour.press("Enter")
    for number, part in enumerate(PARTS, 1):
        expect(step).to_contain_text(f"{number} of 7")
        expect(next_step).to_be_focused()
        expect(next_step).to_be_in_viewport()
        assert not overlap(box(step), box(card.locator(part))), part
        assert box(step)["x"] >= box(card)["x"]
        assert box(step)["x"] + box(step)["width"] <= box(card)["x"] + box(card)["width"]
        if number in (1, 3, 5):
            assert axe(page) == []
        page.screenshot(path=f"build/screenshots/browser-tour-{width}-{number}.png")
        page.keyboard.press("ArrowRight")
        if number < len(PARTS):
            page.keyboard.press("Enter")
    card.get_by_test_id("tour-back").press("Enter")
    expect(step).to_contain_text("6 of 7")
    page.keyboard.press("Escape")
    expect(step).to_have_count(0)
    expect(tour).to_be_focused()
    assert size_of(card) == before
    page.keyboard.press("Enter")
    expect(step).to_contain_text("1 of 7")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")  # Skip
    expect(step).to_have_count(0)
    expect(tour).to_be_focused()


@by_pointer_and_keyboard
def test_what_it_says_can_be_done_meanwhile(page: Page, recording: Recording, means: Means) -> None:
    card = mount(page, recording)
    use(card.get_by_test_id("tour"), means)
    use(card.get_by_test_id("tour-next"), means)
    before = size_of(card)
    if means == "pointer":
        drag(card, 0.3, 0.6)
    else:
        card.get_by_test_id("slider").press("Home")
    assert size_of(card) != before
    for _ in range(3):
        use(card.get_by_test_id("tour-next"), means)
    use(card.locator("[data-component='1.2']"), means)
    expect(card.locator("[data-component='1.2']")).to_have_attribute("data-state", "off")
    expect(callout(card)).to_contain_text("5 of 7")
    use(card.locator("[data-layer='1']"), means)  # opens below, and its ring with it
    expect(card.locator(".sw-open")).to_be_visible()
    page.wait_for_function(
        "() => { const [ring, part] = ['.sw-tour-ring', '.sw-layers'].map(name => document.querySelector(name));"
        "        return Math.abs(ring.offsetHeight - part.offsetHeight - 10) <= 1; }"
    )
    picture(card, "tour-meanwhile")


@pytest.mark.parametrize(("theme", "forced"), [("light", "none"), ("dark", "none"), ("light", "active")])
def test_it_is_readable_in_every_theme(page: Page, recording: Recording, theme: str, forced: Any) -> None:
    page.emulate_media(forced_colors=forced, reduced_motion="reduce")
    page.evaluate("theme => { document.body.dataset.theme = theme }", theme)
    card = mount(page, recording)
    card.get_by_test_id("tour").click()
    for _ in range(3):
        card.get_by_test_id("tour-next").click()
    assert axe(page) == []
    picture(card, f"tour-{theme}-{forced}")
    page.emulate_media(media="print", forced_colors=forced)
    expect(callout(card)).not_to_be_visible()
    expect(card.locator(".sw-tour-ring")).not_to_be_visible()
