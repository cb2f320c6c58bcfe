"""One smoke test in each host besides JupyterLab (which has a test file of its own): drag, switch, re-evaluate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
from conftest import SCREENSHOTS
from hosts import (
    OpenNotebook,
    jupyter_environment,
    jupyter_server,
    marimo_server,
    run_all,
    wait_idle,
    write_notebook,
)
from live_page import new_page
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

MAKE = """
import strace_widgets as sw
explorer = sw.trace(sw.load_model(), "The capital of France is").explore()
"""
LINKED = """
from ipywidgets import IntSlider, jslink
slider = IntSlider(min=1, max=explorer.trace.n_edges)
link = jslink((explorer, "n_edges"), (slider, "value"))
slider
"""
MARIMO_APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import strace_widgets as sw

    explorer = mo.ui.anywidget(sw.trace(sw.load_model(), "The capital of France is").explore())
    explorer
    return


if __name__ == "__main__":
    app.run()
"""

RERUN_APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    import gc
    import sys
    import weakref

    import marimo as mo
    import strace_widgets as sw
    from ipywidgets.widgets.widget import _instances as instances

    sys.path.insert(0, "TESTS")
    import tiny_models

    model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())
    made = []
    again = mo.ui.button(value=0, on_click=lambda runs: runs + 1, label="again")
    again
    return


@app.cell
def _(again, made, mo, model, sw, weakref):
    _run = again.value
    explorer = mo.ui.anywidget(sw.trace(model, "w5 w17 w3").explore())
    made.append(weakref.ref(explorer.widget))
    explorer
    return


@app.cell
def _(again, explorer, gc, instances, made, mo):
    explorer.value
    gc.collect()
    mo.md(f"after {again.value}: {sum(each() is not None for each in made)} of {len(made)}, {len(instances)} widgets")
    return


if __name__ == "__main__":
    app.run()
"""


def drag_switch_reevaluate(page: Page, explorer: Locator, *, to: float = 0.95) -> None:
    """Drag the curve, switch a head off, see new exact numbers, and take it back."""
    explorer.wait_for(timeout=60_000)
    explorer.scroll_into_view_if_needed()
    wait_exact(explorer)
    expect(explorer.locator(".sw-stage")).to_have_count(0)
    explorer.locator(".sw-curve").first.hover()  # which waits until it stands still
    box = explorer.locator(".sw-curve svg").first.bounding_box()
    assert box is not None
    start = explorer.get_by_test_id("edges").get_attribute("data-edges")
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * to, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    wait_exact(explorer)
    dragged = explorer.get_by_test_id("edges").get_attribute("data-edges")
    assert dragged != start
    before = explorer.get_by_test_id("tv").inner_text()
    head = explorer.locator("[data-component='0.3']")
    head.click()
    expect(head).to_have_attribute("data-state", "off")
    wait_exact(explorer)
    assert explorer.get_by_test_id("tv").inner_text() != before
    head.click()
    head.click()
    expect(head).to_have_attribute("data-state", "auto")
    wait_exact(explorer)
    assert explorer.get_by_test_id("tv").inner_text() == before


def wait_exact(explorer: Locator) -> None:
    expect(explorer.get_by_test_id("state")).to_have_attribute("data-state", "exact", timeout=30_000)
    expect(explorer.get_by_test_id("state")).not_to_have_attribute("data-running", "true", timeout=30_000)


def test_notebook_7(browser_with_windows: Browser, tmp_path: Path) -> None:
    write_notebook(tmp_path / "smoke.ipynb", MAKE, "explorer")
    with jupyter_server(tmp_path) as address:
        page = new_page(browser_with_windows, viewport={"width": 1300, "height": 1400})
        page.goto(f"{address}/notebooks/smoke.ipynb")
        # Asked to run before it has a kernel, Notebook 7 asks for one in a dialog.
        expect(page.locator(".jp-CodeCell").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Python 3 (ipykernel)")).to_be_visible()
        idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        idle.wait_for(timeout=60_000)
        run_all(page)
        drag_switch_reevaluate(page, page.get_by_test_id("strace-explorer").first)
        expect(page.locator(".jp-OutputArea-output img")).to_have_count(0)  # the picture for where no widget runs
        page.screenshot(path=SCREENSHOTS / "notebook7.png")
        page.close()


def test_marimo(browser_with_windows: Browser, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(MARIMO_APP)
    with marimo_server(app) as address:
        page = new_page(browser_with_windows, viewport={"width": 1300, "height": 1400})
        page.goto(address)
        drag_switch_reevaluate(page, page.get_by_test_id("strace-explorer").first)
        page.screenshot(path=SCREENSHOTS / "marimo.png")
        page.close()


def test_a_cell_that_marimo_runs_again_leaves_no_explorer(browser_with_windows: Browser, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(RERUN_APP.replace("TESTS", str(Path(__file__).parent)))
    with marimo_server(app) as address:
        page = new_page(browser_with_windows, viewport={"width": 1300, "height": 1400})
        page.goto(address)
        expect(page.get_by_text("after 0: 1 of 1, 2 widgets")).to_be_visible(timeout=60_000)  # the other is its layout
        for run in (1, 2, 3):
            page.get_by_role("button", name="again").click()
            expect(page.get_by_text(f"after {run}: 1 of {run + 1}, 2 widgets")).to_be_visible(timeout=30_000)
        page.close()


def test_two_views_of_one_explorer_and_single_views_in_jupyterlab(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    single = (
        "from ipywidgets import HBox, VBox\n"
        "row = HBox([sw.SizeSlider(explorer), sw.TopKView(explorer)])\n"
        "VBox([row, HBox([sw.LayerView(explorer), sw.TokenView(explorer)]), sw.CurveView(explorer)])"
    )
    with open_notebook(
        tmp_path, MAKE, "explorer", "explorer", single, viewport={"width": 1300, "height": 3600}
    ) as page:
        run_all(page)
        first, second = (page.get_by_test_id("strace-explorer").nth(place) for place in (0, 1))
        drag_switch_reevaluate(page, first)
        shown = first.get_by_test_id("edges").get_attribute("data-edges")
        expect(second.get_by_test_id("edges")).to_have_attribute("data-edges", shown or "")
        drag_switch_reevaluate(page, second, to=0.9)
        slider, head = (page.get_by_test_id(f"strace-{view}") for view in ("SizeSlider", "TopKView"))
        shown = second.get_by_test_id("edges").get_attribute("data-edges")
        expect(slider.get_by_test_id("edges")).to_have_attribute("data-edges", shown or "")
        slider.get_by_test_id("slider").focus()
        page.keyboard.press("End")
        wait_exact(first)
        expect(first.get_by_test_id("edges")).to_have_attribute("data-edges", "4398")
        expect(head.get_by_test_id("token-row").first).to_have_attribute("data-token", " Paris")
        for view in (slider, head):
            box = view.bounding_box()
            assert box is not None
            assert box["width"] > 340
        slider.scroll_into_view_if_needed()
        page.screenshot(path=SCREENSHOTS / "jupyterlab-single-views.png")


def test_a_restarted_kernel_leaves_no_dead_widget_without_a_message(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    with open_notebook(tmp_path, MAKE, "explorer", viewport={"width": 1300, "height": 1500}) as page:
        run_all(page)
        explorer = page.get_by_test_id("strace-explorer").first
        wait_exact(explorer)
        expect(explorer.get_by_test_id("read-only")).to_have_count(0)
        page.locator(".lm-MenuBar-item", has_text="Kernel").click()
        page.locator("[data-command='kernelmenu:restart']").click()
        page.locator(".jp-Dialog .jp-mod-accept").click()
        wait_idle(page)
        if explorer.count():  # a host may also take the output away
            explorer.locator("[data-component='0.3']").click()
            expect(explorer.get_by_test_id("read-only")).to_be_visible(timeout=15_000)
            page.screenshot(path=SCREENSHOTS / "jupyterlab-restarted.png")
        run_all(page)
        drag_switch_reevaluate(page, page.get_by_test_id("strace-explorer").first)


def test_a_reloaded_page_is_alive_again_and_linked_widgets_follow(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    """The notebook is saved, its kernel goes on; the page is opened anew."""
    with open_notebook(tmp_path, MAKE, "explorer", LINKED, viewport={"width": 1300, "height": 1500}) as page:
        run_all(page)
        explorer = page.get_by_test_id("strace-explorer").first
        drag_switch_reevaluate(page, explorer)
        slider = page.locator(".widget-slider")
        edges = explorer.get_by_test_id("edges")
        expect(slider.locator(".widget-readout")).to_have_text(edges.get_attribute("data-edges") or "")
        explorer.get_by_test_id("slider").press("End")
        expect(slider.locator(".widget-readout")).to_have_text("4398")
        slider.get_by_role("slider").press("Home")
        expect(edges).to_have_attribute("data-edges", "1")
        wait_exact(explorer)
        explorer.screenshot(path=SCREENSHOTS / "jupyterlab-linked.png")

        page.keyboard.press("Control+s")
        expect(page.locator(".jp-mod-dirty")).to_have_count(0)
        page.reload()
        wait_idle(page)
        expect(edges).to_have_attribute("data-edges", "1", timeout=60_000)  # as it was left
        drag_switch_reevaluate(page, explorer)
        expect(explorer.get_by_test_id("read-only")).to_have_count(0)
        page.screenshot(path=SCREENSHOTS / "jupyterlab-reloaded.png")
        run_all(page)
        drag_switch_reevaluate(page, explorer)


def test_a_saved_notebook_reopened_without_its_kernel_shows_the_last_state(
    browser_with_windows: Browser, tmp_path: Path
) -> None:
    write_notebook(tmp_path / "saved.ipynb", MAKE + "explorer.complete_levels()\nexplorer.size = 0.7\nexplorer")
    notebook = nbformat.read(tmp_path / "saved.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, store_widget_state=True).execute()
    nbformat.write(notebook, tmp_path / "saved.ipynb")
    trust = [sys.executable, "-m", "jupyter", "trust", "saved.ipynb"]
    subprocess.run(trust, check=True, cwd=tmp_path, env=jupyter_environment(tmp_path))
    with jupyter_server(tmp_path) as address:
        page = new_page(browser_with_windows, viewport={"width": 1300, "height": 1500})
        page.goto(f"{address}/lab/tree/saved.ipynb")
        explorer = page.get_by_test_id("strace-explorer").first
        explorer.wait_for(timeout=60_000)
        expect(explorer.get_by_test_id("edges")).to_have_attribute("data-edges", "3078")
        expect(explorer.get_by_test_id("read-only")).to_be_visible(timeout=20_000)
        explorer.get_by_test_id("slider").focus()
        page.keyboard.press("End")  # the computed sizes are still there
        expect(explorer.get_by_test_id("edges")).to_have_attribute("data-edges", "4398")
        page.screenshot(path=SCREENSHOTS / "jupyterlab-reopened.png")
        page.close()
