"""The main job in a real JupyterLab, in a real Chromium, on the real default model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT, SCREENSHOTS
from hosts import jupyter_server, run_all, wait_idle
from live_page import new_page
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

FAILS_ON_HEAD_0_0 = """
honest = explorer.session.evaluate

def sometimes(n_edges, toggles):
    if "0.0" in toggles:
        raise RuntimeError("the model fell over")
    return honest(n_edges, toggles)

explorer.session.evaluate = sometimes
"""


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab on loopback whose folder holds the quickstart notebook, with one more cell."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.read(ROOT / "demo_notebooks" / "01_quickstart.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(FAILS_ON_HEAD_0_0))
    nbformat.write(notebook, folder / "01_quickstart.ipynb")
    with jupyter_server(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser_with_windows: Browser, jupyterlab: str) -> Iterator[Page]:
    """The notebook, open and run to its end."""
    page = new_page(browser_with_windows, viewport={"width": 1440, "height": 1500})
    page.goto(f"{jupyterlab}/lab/tree/01_quickstart.ipynb")
    wait_idle(page)
    run_all(page)
    expect(page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
    explorer_of(page).scroll_into_view_if_needed()
    yield page
    page.close()


def explorer_of(page: Page) -> Locator:
    return page.get_by_test_id("strace-explorer").first


def state_of(explorer: Locator) -> str | None:
    return explorer.get_by_test_id("state").get_attribute("data-state")


def wait_exact(explorer: Locator) -> None:
    expect(explorer.get_by_test_id("state")).to_have_attribute("data-state", "exact", timeout=20_000)
    expect(explorer.get_by_test_id("state")).not_to_have_attribute("data-running", "true", timeout=20_000)


def shown(explorer: Locator) -> dict[str, Any]:
    """Every number that the head view and the reading line show."""
    rows = explorer.get_by_test_id("token-row")
    return {
        "size": explorer.get_by_test_id("size").inner_text(),
        "edges": explorer.get_by_test_id("edges").get_attribute("data-edges"),
        "tv": explorer.get_by_test_id("tv").inner_text(),
        "head": rows.evaluate_all("rows => rows.map(r => [r.dataset.token, r.innerText])"),
    }


def picture(page: Page, name: str) -> None:
    explorer_of(page).screenshot(path=SCREENSHOTS / f"jupyterlab-{name}.png")


def test_the_notebook_shows_the_prediction_and_the_chart(page: Page) -> None:
    explorer = explorer_of(page)
    wait_exact(explorer)
    assert shown(explorer)["head"][0][0] == " Paris"
    picture(page, "start")
    # Where JupyterLab knows the version of Vega-Lite that altair writes, it draws the chart itself.
    drawn = (".jp-OutputArea-output[data-mime-type='image/svg+xml']", ".jp-RenderedVegaCommon5")
    chart = page.locator(", ".join(drawn)).first
    chart.scroll_into_view_if_needed()
    expect(chart.locator("img, svg, canvas").first).to_be_visible()
    chart.screenshot(path=SCREENSHOTS / "jupyterlab-chart.png")
    exported = page.evaluate("async () => (await fetch('/files/demo.html')).text()")  # what its last cell writes
    assert len(exported) > 100_000


def test_dragging_with_the_pointer_changes_the_head_without_the_kernel(page: Page) -> None:
    explorer = explorer_of(page)
    explorer.scroll_into_view_if_needed()
    before = shown(explorer)
    plot = explorer.locator(".sw-curve svg").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=8)
    during = shown(explorer)
    assert state_of(explorer) in {"interpolated", "exact"}
    page.mouse.move(box["x"] + box["width"] * 0.4, middle, steps=8)
    further = shown(explorer)
    page.mouse.up()
    assert len({before["edges"], during["edges"], further["edges"]}) == 3
    assert before["head"] != further["head"]
    wait_exact(explorer)  # on release the exact size is evaluated
    assert shown(explorer)["edges"] == further["edges"]
    picture(page, "dragged")


def test_the_keyboard_moves_the_same_slider(page: Page) -> None:
    explorer = explorer_of(page)
    slider = explorer.get_by_test_id("slider")
    slider.focus()
    page.keyboard.press("End")
    wait_exact(explorer)
    whole = shown(explorer)
    assert float(whole["tv"]) == pytest.approx(0, abs=1e-3)
    assert "edges" in (slider.get_attribute("aria-valuetext") or "")
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowLeft")
    wait_exact(explorer)
    smaller = shown(explorer)
    assert int(smaller["edges"] or 0) < int(whole["edges"] or 0)
    assert smaller["head"] != whole["head"]


def test_keys_pressed_in_the_card_are_no_commands_of_the_notebook(page: Page) -> None:
    """On a cell "b" adds another below it, and an arrow goes to the next one."""
    explorer = explorer_of(page)
    cells = page.locator(".jp-Notebook-cell")
    before = cells.count()
    for control in (explorer.get_by_test_id("slider"), explorer.get_by_test_id("tour")):
        for key in ("b", "ArrowDown"):
            control.press(key)
            expect(control).to_be_focused()
    wait_exact(explorer)
    assert cells.count() == before


def test_a_head_is_switched_off_on_and_back_to_the_same_numbers(page: Page) -> None:
    explorer = explorer_of(page)
    wait_exact(explorer)
    before = shown(explorer)
    explorer.locator("[data-layer='0']").click()
    expect(explorer.get_by_test_id("open-layer")).to_be_visible()
    head = explorer.locator("[data-component='0.3']")
    expect(head).to_have_attribute("data-state", "auto")
    head.click()
    expect(head).to_have_attribute("data-state", "off")
    wait_exact(explorer)
    off = shown(explorer)
    assert int(off["edges"] or 0) < int(before["edges"] or 0)
    assert off["tv"] != before["tv"]
    assert off["head"] != before["head"]
    picture(page, "head-off")
    head.press("Enter")
    expect(head).to_have_attribute("data-state", "on")
    wait_exact(explorer)
    head.press("Space")
    expect(head).to_have_attribute("data-state", "auto")
    wait_exact(explorer)
    assert shown(explorer) == before
    explorer.locator("[data-layer='0']").click()


def test_a_kernel_error_is_shown_in_place_and_the_widget_goes_on(page: Page) -> None:
    explorer = explorer_of(page)
    wait_exact(explorer)
    before = shown(explorer)
    head = explorer.locator("[data-component='0.0']")
    head.click()
    expect(explorer.get_by_test_id("error")).to_contain_text("the model fell over", timeout=20_000)
    assert shown(explorer)["head"] == before["head"]  # the last good result stays, and says that it is stale
    assert state_of(explorer) == "stale"
    expect(explorer.get_by_test_id("state")).to_contain_text("failed")
    picture(page, "error")
    head.click()
    expect(explorer.get_by_test_id("error")).to_contain_text("the model fell over")
    head.click()
    expect(explorer.get_by_test_id("error")).to_have_count(0)
    wait_exact(explorer)
    assert shown(explorer) == before


def test_settings_are_traced_anew_and_undone(page: Page) -> None:
    explorer = explorer_of(page)
    wait_exact(explorer)
    before = shown(explorer)
    explorer.get_by_test_id("importance").select_option("l2")
    expect(explorer.get_by_test_id("importance")).to_have_value("l2", timeout=30_000)
    wait_exact(explorer)
    assert shown(explorer) != before
    explorer.get_by_test_id("token-3").click()  # explain what comes after " France" instead
    expect(explorer.get_by_test_id("token-3")).to_have_attribute("aria-pressed", "true", timeout=30_000)
    wait_exact(explorer)
    assert shown(explorer)["head"][0][0] != " Paris"
    picture(page, "earlier-token")

    explorer.get_by_test_id("prompt-edit").click()
    explorer.get_by_test_id("prompt-input").fill("The capital of Italy is")
    page.keyboard.press("Enter")
    expect(explorer.get_by_test_id("token-row").first).to_have_attribute("data-token", " Rome", timeout=30_000)
    wait_exact(explorer)
    undo, token = explorer.get_by_test_id("undo"), explorer.get_by_test_id("token-3")
    undo.click()
    expect(token).to_have_attribute("aria-pressed", "true", timeout=30_000)
    undo.click()
    expect(token).to_have_attribute("aria-pressed", "false", timeout=30_000)
    undo.click()
    expect(explorer.get_by_test_id("importance")).to_have_value("l1", timeout=30_000)
    expect(explorer.get_by_test_id("progress")).to_have_count(0, timeout=30_000)
    wait_exact(explorer)
    assert shown(explorer) == before


def test_comparison_files_code_and_other_measures(page: Page, tmp_path: Path) -> None:
    explorer = explorer_of(page)
    wait_exact(explorer)
    before = shown(explorer)
    chips = explorer.get_by_test_id("tried-chip")
    assert chips.count() >= 2
    chips.nth(0).click(modifiers=["Shift"])
    chips.nth(1).click(modifiers=["Shift"])
    expect(explorer.get_by_test_id("compare-panel")).to_be_visible()
    picture(page, "compared")
    page.keyboard.press("Escape")

    with page.expect_download() as saved:
        explorer.get_by_test_id("save").click()
    file = tmp_path / "session.json"
    saved.value.save_as(file)
    assert json.loads(file.read_text())["format"] == "strace-session"
    explorer.get_by_test_id("slider").focus()
    tried = chips.count()
    page.keyboard.press("Home")
    expect(chips).to_have_count(tried + 1)  # the size is written once the keys rest
    wait_exact(explorer)
    explorer.get_by_test_id("load-input").set_input_files(file)
    expect(explorer.get_by_test_id("edges")).to_have_attribute("data-edges", str(before["edges"]))
    wait_exact(explorer)
    assert shown(explorer) == before

    explorer.get_by_test_id("code").click()
    expect(explorer.get_by_test_id("code-text")).to_have_value(re.compile("sw.load_model"), timeout=20_000)
    explorer.get_by_test_id("code-close").click()
    explorer.get_by_test_id("compare-measures").click()
    explorer.get_by_test_id("measure-cosine").check()
    explorer.get_by_test_id("draw-measures").click()
    expect(explorer.get_by_test_id("other-curves")).to_contain_text("cosine", timeout=30_000)
    picture(page, "other-curves")
    wait_exact(explorer)
