"""marimo draws each widget into a shadow root of its own, which no style sheet of the page reaches."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SCREENSHOTS
from hosts import marimo_server
from live_page import new_page
from playwright.sync_api import Browser, Locator, expect

pytestmark = pytest.mark.browser

APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import strace_widgets as sw

    trace = sw.trace(sw.load_model(), "The capital of France is")
    return mo, sw, trace


@app.cell
def _(mo, sw, trace):
    mo.ui.anywidget(sw.CurveView(trace))  # alone: its Explorer is shown nowhere
    return


@app.cell
def _(trace):
    explorer = trace.explore()
    explorer
    return (explorer,)


@app.cell
def _(explorer, mo, sw):
    slider = mo.ui.anywidget(sw.SizeSlider(explorer))
    slider
    return (slider,)


@app.cell
def _(slider):
    slider
    return


@app.cell
def _(explorer, mo, sw):
    mo.hstack([sw.LayerView(explorer), sw.TokenView(explorer), sw.TopKView(explorer)], widths="equal")
    return


if __name__ == "__main__":
    app.run()
"""
LOOKS = """
card => {
  const look = (element) => {
    if (!element) return null;
    const { fill, stroke, color, backgroundColor, display } = getComputedStyle(element);
    return { fill, stroke, color, backgroundColor, display };
  };
  const parts = ["article", "path.sw-line", ".sw-reading", "[data-component='0.3']", ".sw-bar-full", "canvas"];
  return Object.fromEntries(parts.map((part) => [part, look(card.querySelector(part))]));
}
"""


def looks(card: Locator) -> dict[str, dict[str, str]]:
    """The computed style of each part that a card has."""
    card.wait_for(timeout=60_000)
    expect(card.get_by_text("Waiting for the trace")).to_have_count(0)
    return {part: style for part, style in card.evaluate(LOOKS).items() if style}


def test_single_views_look_as_the_explorer_does(browser_with_windows: Browser, tmp_path: Path) -> None:
    """Alone, beside the Explorer, shown twice, and in a row of three."""
    app = tmp_path / "app.py"
    app.write_text(APP)
    with marimo_server(app) as address:
        page = new_page(browser_with_windows, viewport={"width": 1300, "height": 2600})
        page.goto(address)
        explorer = looks(page.get_by_test_id("strace-explorer"))
        assert explorer["path.sw-line"]["fill"] == "none"
        for name, copies in {"CurveView": 1, "SizeSlider": 2, "LayerView": 1, "TokenView": 1, "TopKView": 1}.items():
            cards = page.get_by_test_id(f"strace-{name}")
            expect(cards).to_have_count(copies, timeout=60_000)
            for copy in range(copies):
                view = looks(cards.nth(copy))
                assert len(view) > 1
                assert view == {part: explorer[part] for part in view}, name
        page.screenshot(path=SCREENSHOTS / "marimo-single-views.png", full_page=True)
        page.close()
