"""The exported page: the Explorer with no kernel and no network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SCREENSHOTS
from playwright.sync_api import Browser, Page, expect

import strace_widgets as sw
from strace_widgets.export import page as page_text

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, tiny_trace: sw.STrace, tmp_path: Path) -> Iterator[Page]:
    """The page, opened from disk; any request, console error or exception fails the test."""
    file = tiny_trace.to_html(tmp_path / "trace.html")
    page = browser.new_page(viewport={"width": 1100, "height": 1000})
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: troubles.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    page.get_by_test_id("strace-explorer").wait_for()
    yield page
    page.close()
    assert not troubles


def test_slider_is_live_and_says_that_it_interpolates(page: Page, tiny_trace: sw.STrace) -> None:
    explorer = page.get_by_test_id("strace-explorer")
    slider = explorer.get_by_test_id("slider")
    slider.focus()
    page.keyboard.press("End")
    expect(explorer.get_by_test_id("edges")).to_have_attribute("data-edges", str(tiny_trace.n_edges))
    expect(explorer.get_by_test_id("state")).to_have_attribute("data-state", "exact")
    assert float(explorer.get_by_test_id("tv").inner_text()) == pytest.approx(0, abs=1e-3)
    levels = set(tiny_trace.sweep().n_edges.tolist())
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        n_edges = int(explorer.get_by_test_id("edges").get_attribute("data-edges") or 0)
        state = "exact" if n_edges in levels else "interpolated"
        expect(explorer.get_by_test_id("state")).to_have_attribute("data-state", state)
    page.screenshot(path=SCREENSHOTS / "page.png")


def test_switches_say_that_they_need_a_kernel(page: Page) -> None:
    explorer = page.get_by_test_id("strace-explorer")
    head = explorer.locator("[data-component='1.2']")
    head.click(force=True)  # Playwright itself refuses to click what is disabled
    expect(head).to_have_attribute("data-state", "auto")
    expect(head).to_have_attribute("aria-disabled", "true")
    expect(explorer).to_contain_text(re.compile("no kernel", re.IGNORECASE))


def test_shown_sizes_are_the_sweep(page: Page, tiny_trace: sw.STrace) -> None:
    """What the page says at a computed level is what Python computed there."""
    explorer = page.get_by_test_id("strace-explorer")
    sweep = tiny_trace.sweep()
    explorer.get_by_test_id("slider").focus()
    page.keyboard.press("End")
    page.keyboard.press("PageDown")
    n_edges = int(explorer.get_by_test_id("edges").get_attribute("data-edges") or 0)
    level = sweep.n_edges.tolist().index(n_edges)
    assert float(explorer.get_by_test_id("tv").inner_text()) == pytest.approx(sweep.total_variation[level], abs=1e-3)
    for row in explorer.get_by_test_id("head-row").all():
        token = int((row.get_attribute("data-token") or "w0")[1:])
        shown = float(row.get_attribute("data-probability") or -1)
        assert shown == pytest.approx(float(sweep.probabilities[level, token]), abs=1e-6)


def test_token_text_is_never_markup() -> None:
    hostile = "</script><script>alert(1)</script><!--"
    text = page_text(hostile, {"bundle": {"prompt": hostile, "tokens": [hostile]}})
    assert "<script>alert" not in text
    assert text.count("</script>") == 2
    assert "default-src 'none'" in text
