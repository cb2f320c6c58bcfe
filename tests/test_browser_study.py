"""A study in linked views: on a page without a kernel, and in a real JupyterLab on the real model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny_models
from browser_steps import Means, by_pointer_and_keyboard, use, wait_answered
from conftest import SCREENSHOTS
from hosts import OpenNotebook, run_all
from live_page import axe, new_page
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser

HOSTILE = "w3 </script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a real study of a small model, whose traces were kept; one prompt failed."""
    folder = tmp_path_factory.mktemp("study")
    model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())
    words = [f"w{k} w{3 * k + 1} w{k % 4}" for k in range(15)]
    prompts = [{"text": text, "kind": "ab"[k % 2]} for k, text in enumerate([HOSTILE, *words, ""])]
    study = sw.study(
        model, prompts, folder / "study", importance=("l1", "l2"), keep_traces=True, baselines=(), progress=False
    )
    widget = study.explore()
    written = widget.to_html(folder / "study.html")
    widget.close()
    return written


@pytest.fixture
def open_page(browser: Browser, file: Path) -> Iterator[Callable[..., Locator]]:
    """Open the page with the network off; any request, console error or exception fails the test."""
    pages: list[Page] = []
    troubles: list[str] = []

    def opened(**options: object) -> Locator:
        page = new_page(browser, **({"viewport": {"width": 1280, "height": 1000}} | options))
        pages.append(page)
        page.context.set_offline(True)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url == file.as_uri() else troubles.append(request.url))
        page.goto(file.as_uri())
        return page.get_by_test_id("strace-study")

    yield opened
    for page in pages:
        page.close()
    assert not troubles


@pytest.fixture
def study(open_page: Callable[..., Locator]) -> Locator:
    return open_page()


def held(study: Locator, group: str = "A") -> int:
    return int(study.get_by_test_id(f"group-{group}").get_attribute("data-n") or -1)


def brush(study: Locator, part: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a box over a plot, from and to shares of its width and height."""
    plot = study.get_by_test_id(part)
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    (x, y), (to_x, to_y) = ((box["x"] + box["width"] * a, box["y"] + box["height"] * b) for a, b in (start, end))
    mouse = study.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(to_x, to_y, steps=5)
    mouse.up()


def brush_left_half(study: Locator, means: Means) -> None:
    if means == "pointer":
        brush(study, "scatter-plot", (0.03, 0.03), (0.5, 0.9))
        return
    summary = study.get_by_test_id("scatter-ranges").locator("summary")
    summary.press("Enter")
    field = study.get_by_test_id("scatter-ranges-0-1")
    middle = float(study.get_by_test_id("scatter-ranges-0-0").input_value()) + float(field.input_value())
    field.fill(str(middle / 2))
    field.press("Enter")


@by_pointer_and_keyboard
def test_a_brush_holds_prompts_in_all_views_and_is_taken_back(study: Locator, means: Means) -> None:
    assert held(study) == 17
    before = study.get_by_test_id("mean-A").locator(".sw-study-line").get_attribute("d")
    brush_left_half(study, means)
    expect(study.get_by_test_id("group-A")).not_to_have_attribute("data-n", "17")
    some = held(study)
    assert 0 < some < 16
    expect(study.get_by_test_id("page-rows")).to_have_text(f"1 to {min(some, 12)} of {some}")
    expect(study.get_by_test_id("mean-A")).to_have_attribute("data-n", str(some))
    assert study.get_by_test_id("mean-A").locator(".sw-study-line").get_attribute("d") != before
    expect(study.get_by_test_id("announcement")).to_have_text(f"Group A: {some} prompts")
    use(study.get_by_test_id("compared"), "pointer")
    study.get_by_test_id("compared").select_option("rest")
    expect(study.get_by_test_id("group-B")).to_have_attribute("data-n", str(17 - some))
    expect(study.get_by_test_id("difference")).to_have_attribute("data-done", "true")
    study.screenshot(path=SCREENSHOTS / f"study-compared-{means}.png")
    use(study.get_by_test_id("clear-filters"), means)
    assert held(study) == 17


@by_pointer_and_keyboard
def test_kinds_search_curves_and_components_narrow_together(study: Locator, means: Means) -> None:
    use(study.get_by_test_id("kind-a"), means)
    assert held(study) == 9
    if means == "pointer":
        brush(study, "curves-plot", (0.1, 0.05), (0.4, 0.25))
    else:
        study.get_by_test_id("curve-ranges").locator("summary").press("Enter")
        study.get_by_test_id("curve-ranges-1-0").fill("0.5")
        study.get_by_test_id("curve-ranges-1-0").press("Enter")
    assert held(study) <= 9
    cells = study.get_by_test_id("use-cells")
    cells.focus()
    cells.press("ArrowRight")
    use(cells, means, "Space") if means == "keyboard" else cells.click(position={"x": 40, "y": 26})
    expect(study.get_by_role("group", name="Filters")).to_contain_text("uses Head ")
    study.get_by_test_id("search").fill("w")
    use(study.get_by_test_id("clear-filters"), means)
    assert held(study) == 17
    expect(study.get_by_test_id("search")).to_have_value("")


@by_pointer_and_keyboard
def test_a_prompt_opens_as_it_was_kept_and_one_goes_on_and_back(study: Locator, means: Means) -> None:
    use(study.get_by_test_id("sort-full_entropy"), means)
    button = study.get_by_test_id("open-prompt").nth(2)
    name = button.get_attribute("data-id") or ""
    use(button, means)
    opened = study.get_by_test_id("opened")
    expect(opened).to_have_attribute("data-id", name)
    explorer = opened.get_by_test_id("strace-explorer")
    explorer.get_by_test_id("slider").press("End")
    expect(explorer.get_by_test_id("tv")).to_have_text("0.000")
    use(study.get_by_test_id("open-after"), means)
    expect(opened).not_to_have_attribute("data-id", name)
    expect(study.get_by_test_id("visited")).to_have_text(name)
    study.get_by_test_id("run").select_option("1")
    expect(opened.get_by_test_id("strace-explorer")).to_contain_text("l2")
    use(study.get_by_test_id("back"), means)
    expect(opened).to_have_count(0)
    expect(study.get_by_test_id("open-prompt").nth(3)).to_be_focused()


def test_a_prompt_opens_from_the_plot_by_its_keys(study: Locator) -> None:
    plot = study.get_by_test_id("scatter-plot")
    plot.press("Home")
    plot.press("ArrowRight")
    expect(plot).to_have_attribute("aria-valuenow", "2")
    plot.press("Enter")
    expect(study.get_by_test_id("opened").get_by_test_id("strace-explorer")).to_be_visible()
    study.get_by_test_id("back").press("Escape")
    expect(study.get_by_test_id("opened")).to_have_count(0)


def test_a_prompt_that_failed_says_why(study: Locator) -> None:
    study.get_by_test_id("search").fill("p16")
    failed = study.get_by_test_id("prompt-table").locator(".sw-study-failed")
    if not failed.count():  # ids are numbers unless given
        study.get_by_test_id("search").fill("")
        study.get_by_test_id("page-after").click()
        failed = study.get_by_test_id("prompt-table").locator(".sw-study-failed")
    expect(failed).to_have_text("failed")
    assert failed.get_attribute("title")


def test_texts_are_data(study: Locator) -> None:
    study.get_by_test_id("search").fill("onerror")
    expect(study.get_by_test_id("open-prompt")).to_have_text(HOSTILE)
    expect(study.locator("img")).to_have_count(0)


@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_axe_finds_nothing(open_page: Callable[..., Locator], look: str) -> None:
    study = open_page(
        color_scheme="dark" if look == "dark" else "light", forced_colors="active" if look == "forced" else "none"
    )
    brush_left_half(study, "pointer")
    study.get_by_test_id("compared").select_option("second")
    study.get_by_test_id("kind-b").click()
    study.get_by_test_id("open-prompt").first.click()
    expect(study.get_by_test_id("opened").get_by_test_id("strace-explorer")).to_be_visible()
    expect(study.get_by_test_id("difference")).to_have_attribute("data-done", "true")
    study.screenshot(path=SCREENSHOTS / f"study-{look}.png")
    assert axe(study.page) == []


def test_a_phone_shows_one_column(open_page: Callable[..., Locator]) -> None:
    study = open_page(viewport={"width": 400, "height": 900})
    brush(study, "scatter-plot", (0.1, 0.05), (0.6, 0.9))
    study.screenshot(path=SCREENSHOTS / "study-phone.png")
    width = study.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 400
    assert axe(study.page) == []


CELLS = (
    "import strace_widgets as sw\nmodel = sw.load_model()",
    "study = sw.load_study('study')\nwidget = study.explore(model=model)\nwidget",
    "print('held', widget.selected, widget.opened)",
)
FACTS = ["The capital of France is", "The capital of Italy is", "Once upon a time there was", "1 2 3 4 5"]


@pytest.fixture(scope="module")
def lab(open_notebook: OpenNotebook, smollm2: sw.Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A notebook with a study of the real model, run to its end."""
    folder = tmp_path_factory.mktemp("lab")
    sw.study(smollm2, FACTS, folder / "study", baselines=(), sizes=(0.001, 0.01, 0.1, 0.4), progress=False)
    with open_notebook(folder, *CELLS) as page:
        run_all(page)
        page.get_by_test_id("strace-study").wait_for(timeout=60_000)
        yield page


@by_pointer_and_keyboard
def test_in_jupyterlab_a_prompt_opens_live_and_toggles(lab: Page, means: Means) -> None:
    study = lab.get_by_test_id("strace-study")
    expect(study.get_by_test_id("progress")).to_have_attribute("data-whole", "true")
    assert held(study) == len(FACTS)
    brush_left_half(study, means)
    expect(study.get_by_test_id("group-A")).not_to_have_attribute("data-n", str(len(FACTS)))
    ids = [button.get_attribute("data-id") for button in study.get_by_test_id("open-prompt").all()]
    lab.wait_for_timeout(600)  # the hand rests: Python is told
    use(study.get_by_test_id("open-prompt").first, means)
    explorer = study.get_by_test_id("opened").get_by_test_id("strace-explorer")
    explorer.wait_for(timeout=60_000)
    wait_answered(explorer)
    explorer.get_by_test_id("slider").press("End")
    wait_answered(explorer)
    expect(explorer.get_by_test_id("tv")).to_have_text("0.000")
    cell = explorer.locator('[data-component="0.mlp"]')
    use(cell, means)
    wait_answered(explorer)
    expect(explorer.get_by_test_id("tv")).not_to_have_text("0.000")
    study.screenshot(path=SCREENSHOTS / f"jupyterlab-study-{means}.png")
    for _ in range(2):  # on, and as the trace has it
        use(cell, means)
        wait_answered(explorer)
    expect(explorer.get_by_test_id("tv")).to_have_text("0.000")
    lab.locator(".jp-Notebook-cell").nth(2).locator(".cm-content").click()
    lab.keyboard.press("Control+Enter")
    told = lab.locator(".jp-Notebook-cell").nth(2).locator(".jp-OutputArea-output")
    expect(told).to_have_text(re.compile(re.escape(f"held {ids} {ids[0]}")))
    use(study.get_by_test_id("back"), means)
    expect(study.get_by_test_id("opened")).to_have_count(0)
    use(study.get_by_test_id("clear-filters"), means)
    if means == "keyboard":
        study.get_by_test_id("scatter-ranges").locator("summary").press("Enter")
    assert [line for line in axe(lab) if "sw-" in line] == []  # JupyterLab's own troubles are not ours
