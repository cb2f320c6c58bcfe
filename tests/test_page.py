"""Exported pages: Explorers and texts with no kernel and no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbconvert
import nbformat
import pytest
from conftest import SCREENSHOTS
from live_page import axe
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw
from strace_widgets.explorer.html_page import page as page_text
from strace_widgets.explorer.session import Session

pytestmark = pytest.mark.browser

HOSTILE = "</script><script>alert(1)</script><!--"
LESSON = f"""# How little is needed

Drag *the line*. {HOSTILE}
<img src="http://example.org/a.png" onerror="alert(1)">
![a picture](http://example.org/b.png) [bad](javascript:alert(1)) [good](https://arxiv.org/abs/2605.27033)

| size | what |
|---|---|
| 0.1 | little |
"""


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a file with the network off; any request, console error or exception fails the test."""
    opened: list[Page] = []
    troubles: list[str] = []

    def open_file(file: Path, *also: Path, **options: Any) -> Page:
        allowed = {each.as_uri() for each in (file, *also)}
        page = browser.new_page(**{"viewport": {"width": 1100, "height": 1000}} | options)
        opened.append(page)
        page.context.set_offline(True)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url in allowed else troubles.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_file
    for page in opened:
        page.close()
    assert not troubles


@pytest.fixture
def page(show: Callable[..., Page], tiny_trace: sw.STrace, tmp_path: Path) -> Page:
    page = show(tiny_trace.to_html(tmp_path / "trace.html"))
    page.get_by_test_id("strace-explorer").wait_for()
    return page


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


def test_toggles_say_that_they_need_a_kernel(page: Page) -> None:
    explorer = page.get_by_test_id("strace-explorer")
    head = explorer.locator("[data-component='1.2']")
    head.click(force=True)  # Playwright itself refuses to click what is disabled
    expect(head).to_have_attribute("data-state", "auto")
    expect(head).to_have_attribute("aria-disabled", "true")
    expect(explorer).to_contain_text(re.compile("no kernel", re.IGNORECASE))


def test_other_measures_are_drawn_and_say_that_they_need_a_kernel(
    show: Callable[..., Page], tiny_trace: sw.STrace, tmp_path: Path
) -> None:
    explorer = tiny_trace.explore()
    explorer.curves = explorer.session.compare(["l2"])
    page = show(explorer.to_html(tmp_path / "measures.html"))
    explorer.close()
    button = page.get_by_test_id("switch-l2")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", "Switching to another measure needs a kernel that answers.")
    button.press("Enter")
    expect(page.get_by_test_id("other-curves")).to_have_text("l2")
    expect(page.get_by_test_id("strace-explorer")).to_contain_text("importance l1")
    page.screenshot(path=SCREENSHOTS / "page-measures.png")
    assert axe(page) == []


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
    for row in explorer.get_by_test_id("token-row").all():
        token = int((row.get_attribute("data-token") or "w0")[1:])
        shown = float(row.get_attribute("data-probability") or -1)
        assert shown == pytest.approx(float(sweep.probabilities[level, token]), abs=1e-6)


def test_token_text_is_never_markup() -> None:
    text = page_text(HOSTILE, [{"view_state": {"prompt": HOSTILE, "tokens": [HOSTILE]}}])
    assert "<script>alert" not in text
    assert text.count("</script>") == 2
    assert "default-src 'none'" in text


def tv(card: Locator) -> float:
    return float(card.get_by_test_id("tv").inner_text())


def test_single_toggles_work_without_a_kernel(
    show: Callable[..., Page], tiny_trace: sw.STrace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "strace_widgets"):
        file = tiny_trace.to_html(tmp_path / "toggles.html", toggles="single")
    before, after = (record.getMessage() for record in caplog.records if record.name.startswith("strace_widgets"))
    assert re.search(r"^\d+ subgraphs .* batched pass", before)
    assert f"{file.stat().st_size / 1e6:.2f} MB" in after
    session = Session(tiny_trace)
    start = session.start_size()
    page = show(file)
    card = page.get_by_test_id("strace-explorer")
    known, state = card.get_by_test_id("known-toggles"), card.get_by_test_id("state")
    for key in ("1.2", "0.mlp"):
        cell = card.locator(f"[data-component='{key}']")
        for forced, press in (("off", cell.click), ("on", lambda cell=cell: cell.press("Enter"))):
            press()
            expect(cell).to_have_attribute("data-state", forced)
            expect(state).to_have_attribute("data-state", "exact")
            assert tv(card) == pytest.approx(session.evaluate(start, {key: forced})["total_variation"], abs=1e-3)
        cell.click()
        expect(cell).to_have_attribute("data-state", "auto")

    card.locator("[data-component='1.2']").click()
    card.locator("[data-component='0.mlp']").click()
    expect(state).to_have_attribute("data-state", "stale")
    expect(known).to_contain_text("was not computed: it needs a kernel")
    card.get_by_test_id("undo").click()
    expect(state).to_have_attribute("data-state", "exact")
    assert tv(card) == pytest.approx(session.evaluate(start, {"1.2": "off"})["total_variation"], abs=1e-3)

    slider = card.get_by_test_id("slider")
    slider.press("PageUp" if start < tiny_trace.n_edges else "PageDown")
    expect(state).to_have_attribute("data-state", "stale")
    assert axe(page) == []
    page.screenshot(path=SCREENSHOTS / "page-toggles.png", full_page=True)
    card.get_by_role("button", name="Go to that size").click()
    expect(state).to_have_attribute("data-state", "exact")
    card.get_by_role("button", name="Reset toggles").click()
    expect(known).to_contain_text("single toggles at s =")


def test_a_lesson_of_texts_and_traces(
    show: Callable[..., Page], tiny: Any, tiny_trace: sw.STrace, tmp_path: Path
) -> None:
    explorer = tiny_trace.explore()
    explorer.n_edges = 40
    other = sw.trace(tiny, "w1 w2 w3", "l2")
    page = show(sw.to_html([LESSON, explorer, "## And *another*", other], tmp_path / "lesson.html"))
    explorer.close()
    cards = page.get_by_test_id("strace-explorer")
    expect(cards).to_have_count(2)
    expect(page).to_have_title("How little is needed")
    assert page.get_by_role("heading", level=1).all_inner_texts() == ["How little is needed"]
    expect(cards.first.get_by_test_id("edges")).to_have_attribute("data-edges", "40")
    expect(page.locator(".text").first).to_contain_text(HOSTILE)
    assert page.locator("img, .text script").count() == 0
    assert page.locator(".text a").evaluate_all("links => links.map((link) => link.href)") == [
        "http://example.org/b.png",
        "https://arxiv.org/abs/2605.27033",
    ]
    assert page.locator(".text td").all_inner_texts() == ["0.1", "little"]

    box = cards.last.locator(".sw-curve svg").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    moved = cards.last.get_by_test_id("edges").get_attribute("data-edges")
    cards.last.get_by_test_id("slider").press("End")
    expect(cards.last.get_by_test_id("edges")).to_have_attribute("data-edges", str(other.n_edges))
    assert moved != str(other.n_edges)
    expect(cards.first.get_by_test_id("edges")).to_have_attribute("data-edges", "40")
    assert axe(page) == []
    page.screenshot(path=SCREENSHOTS / "page-lesson.png", full_page=True)


def test_on_paper_all_is_light_and_nothing_is_left_to_press(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_test_id("strace-explorer")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_test_id("save")).to_be_visible()
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_test_id("strace-explorer")).to_have_attribute("data-theme", "light")
    expect(page.get_by_test_id("save")).to_be_hidden()
    expect(page.get_by_test_id("undo")).to_be_hidden()
    expect(page.get_by_test_id("tv")).to_be_visible()
    page.pdf(path=SCREENSHOTS / "page.pdf", print_background=False)
    page.screenshot(path=SCREENSHOTS / "page-print.png", full_page=True)


def test_in_a_sandboxed_frame(show: Callable[..., Page], tiny_trace: sw.STrace, tmp_path: Path) -> None:
    file = tiny_trace.to_html(tmp_path / "trace.html")
    outer = tmp_path / "outer.html"
    outer.write_text(f'<iframe sandbox="allow-scripts" src="{file.name}" width="1000" height="900"></iframe>')
    card = show(outer, file).frame_locator("iframe").get_by_test_id("strace-explorer")
    card.get_by_test_id("slider").press("End")
    expect(card.get_by_test_id("edges")).to_have_attribute("data-edges", str(tiny_trace.n_edges))


def test_an_exported_notebook_shows_the_embedded_explorer_without_a_network(
    browser: Browser, tiny_trace: sw.STrace, tmp_path: Path
) -> None:
    """The frame is a page of its own, which runs; nothing is asked of anywhere."""
    explorer = tiny_trace.explore()
    explorer.complete_levels()
    embedded = explorer.embed()
    explorer.close()
    assert tiny_trace.prompt in repr(embedded)
    output = nbformat.v4.new_output("display_data", {"text/html": embedded._repr_html_(), "text/plain": repr(embedded)})
    cell = nbformat.v4.new_code_cell("explorer.embed()", outputs=[output])
    body, _ = nbconvert.HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    file = tmp_path / "notebook.html"
    file.write_text(body, encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    card = page.frame_locator("iframe").get_by_test_id("strace-explorer")
    card.get_by_test_id("slider").press("End")
    expect(card.get_by_test_id("edges")).to_have_attribute("data-edges", str(tiny_trace.n_edges))
    page.screenshot(path=SCREENSHOTS / "page-embedded.png", full_page=True)
    context.close()


def test_a_real_prompt_stays_small(smollm2: Any, tmp_path: Path) -> None:
    words = "The quick brown fox jumps over the lazy dog while the old man watches from the small window of his"
    trace = sw.trace(smollm2, words)
    # Of 48 sizes, less those that would be the same number of edges, the sweep runs those where the error changes.
    assert (len(trace.tokens), len(trace.standard_sizes())) == (20, 45)
    assert sw.to_html([LESSON, trace], tmp_path / "lesson.html").stat().st_size < 0.8e6  # 1.5e6 with toggles
    assert trace.save(tmp_path / "x.strace").stat().st_size < 1e6


@pytest.mark.parametrize(("items", "error"), [([], ValueError), ([3], TypeError), (3, TypeError), ([None], TypeError)])
def test_what_is_no_trace_or_text_is_refused(items: Any, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error, match=r"give a trace|traces, Explorers and texts"):
        sw.to_html(items, tmp_path / "x.html")
    assert not list(tmp_path.iterdir())
