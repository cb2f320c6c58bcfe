"""Refining live, in Chromium: the curve of the best so far falls, cancel keeps it, undo and redo lead to and fro."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_steps import Means, by_pointer_and_keyboard, expect_answer, picture, size_of, use, wait_answered
from hosts import OpenNotebook, run_all
from live_page import SCREENSHOTS, axe, mount_live
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw
from strace_widgets.results import metrics

pytestmark = pytest.mark.browser

PROMPT = "The Eiffel Tower is located in the city of"

# Every line of the best so far, and every stage, as they come.
WATCH = """card => {
  window.seen = { lines: [], stages: [] };
  new MutationObserver(() => {
    const line = card.querySelector('[data-testid="other-curves"] path[data-kind="refining"]')?.getAttribute("d");
    if (line && line !== seen.lines.at(-1)) seen.lines.push(line);
    const stage = card.querySelector(".sw-stage label span")?.textContent;
    if (stage && stage !== seen.stages.at(-1)) seen.stages.push(stage);
  }).observe(card, { subtree: true, childList: true, attributes: true, characterData: true });
}"""


@pytest.fixture
def real(browser: Browser, page: Page, smollm2: Any) -> Iterator[tuple[Locator, sw.Explorer]]:
    """The Explorer on the real model, on a bare page."""
    del browser  # it has started the loop
    explorer = sw.Explorer(sw.trace(smollm2, PROMPT), loop=asyncio.get_running_loop())
    card = mount_live(page, explorer)
    wait_answered(card)
    yield card, explorer
    explorer.close()


@pytest.fixture(scope="module")
def refined(smollm2: Any) -> sw.STrace:
    """What 30 passes make of the same trace, without a browser."""
    return sw.trace(smollm2, PROMPT).refine(30, progress=False)


def watch(card: Locator) -> None:
    card.evaluate(WATCH)


def seen(card: Locator) -> dict[str, list[str]]:
    found: dict[str, list[str]] = card.page.evaluate("window.seen")
    return found


def area_of(line: str, card: Locator) -> float:
    """Return the area over s under a line of the plot, which ends at all edges without error; of no edge it is 1."""
    points = [tuple(map(float, point.split(","))) for point in re.findall(r"[ML]([\d.e-]+,[\d.e-]+)", line)]
    right, bottom = points[-1]
    all_edges = int(re.sub(r"\D", "", card.get_by_test_id("edges").inner_text().split(" of ")[1].split(" edges")[0]))
    sizes, errors = zip((0, 1), *((all_edges ** (x / right - 1), 1 - y / bottom) for x, y in points), strict=True)
    return metrics.area(np.array(sizes), np.array(errors), "s")


def expect_falling(card: Locator, at_least: int) -> None:
    """The lines may be drawn on axes that differ: the stages say the areas."""
    told = [re.search(r"→ (0\.\d+)", stage) for stage in seen(card)["stages"]]
    areas = [float(each[1]) for each in told if each]
    assert len(areas) >= at_least
    assert all(after <= before for before, after in pairwise(areas))


def expect_refined(card: Locator) -> None:
    expect(card.get_by_test_id("importance")).to_have_value("refined")
    expect(card.get_by_test_id("switch-l1")).to_be_visible()
    wait_answered(card)


@by_pointer_and_keyboard
def test_the_best_so_far_falls_and_takes_the_place_of_the_trace(
    real: tuple[Locator, sw.Explorer], refined: sw.STrace, page: Page, means: Means
) -> None:
    card, explorer = real
    before, size = explorer.trace, size_of(card)
    watch(card)
    card.get_by_test_id("passes").select_option("30")
    use(card.get_by_test_id("refine"), means)
    expect(card.get_by_test_id("other-curves").locator("path[data-kind=refining]")).to_be_visible()
    picture(card, f"refining-{means}")
    expect_refined(card)
    expect_falling(card, 1)  # a busy browser may draw the first steps as one
    fallen = re.compile(r"refining: step \d+ of \d+, area 0\.\d{3} → 0\.\d{3}")
    assert any(fallen.fullmatch(stage) for stage in seen(card)["stages"])
    assert size_of(card) == size
    assert explorer.trace.ranks.attention.tolist() == refined.ranks.attention.tolist()
    assert refined.sweep().area("s") < before.sweep().area("s")
    expect(card.get_by_test_id("announcement")).to_contain_text("importance refined (l1, 30 passes)")
    expect(card.get_by_test_id("refine")).to_have_text("Refine further")
    assert axe(page) == []
    picture(card, f"refined-{means}")
    card.get_by_test_id("undo").click()
    expect(card.get_by_test_id("importance")).to_have_value("l1")
    wait_answered(card)
    assert explorer.trace is before
    expect(card.get_by_test_id("refine")).to_have_text("Refine")
    card.get_by_test_id("redo").click()
    expect_refined(card)
    assert explorer.trace.refined is not None
    assert [each.passes for each in explorer.trace.refined.refinements] == [30]


def test_sizes_and_toggles_go_on_while_it_refines_and_cancel_keeps_the_best(real: tuple[Locator, sw.Explorer]) -> None:
    card, explorer = real
    before = explorer.trace
    watch(card)
    card.get_by_test_id("passes").select_option("100")
    card.get_by_test_id("refine").click()
    expect(card.get_by_test_id("other-curves").locator("path[data-kind=refining]")).to_be_visible()
    card.get_by_test_id("slider").focus()
    card.page.keyboard.press("PageUp")
    card.locator("[data-component='12.3']").click()
    while_refining = {"12.3": "off"}
    card.page.wait_for_function("seen.stages.length > 1")
    expect(card.get_by_test_id("state")).to_have_attribute("data-state", "exact")  # answered in between
    assert card.get_by_test_id("cancel").is_visible()
    card.get_by_test_id("cancel").click()
    expect_refined(card)
    expect_falling(card, 2)
    assert explorer.toggles == while_refining
    expect_answer(card, explorer.session.evaluate(explorer.n_edges, explorer.toggles))
    assert explorer.trace.refined is not None
    (this,) = explorer.trace.refined.refinements
    assert this.passes < 100
    assert explorer.trace.sweep().area("s") < before.sweep().area("s")
    expect(card.get_by_test_id("importance")).to_be_focused()  # the button, which is gone, left the focus here


@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_it_is_seen_in_every_look(page: Page, live: Locator, explorer: sw.Explorer, look: str) -> None:
    page.emulate_media(forced_colors="active" if look == "forced" else "none")
    page.evaluate("look => { document.body.dataset.theme = look === 'dark' ? 'dark' : 'light' }", look)
    wait_answered(live)
    assert axe(page) == []
    best = {"name": "refining", "kind": "refining", "n_edges": [60, 120, explorer.trace.n_edges]}
    explorer.curves = [best | {"total_variation": [0.4, 0.2, 0]}]
    line = live.get_by_test_id("other-curves").locator(".sw-other-line")
    expect(live.get_by_test_id("other-curves").locator(".sw-mark")).to_have_count(3)  # what was computed
    assert line.evaluate("line => getComputedStyle(line).strokeDasharray") != "none"
    expect(live.get_by_test_id("curve-legend")).to_contain_text("best so far")
    expect(live.get_by_test_id("curve-legend").get_by_role("button")).to_have_count(0)  # it is not there to switch to
    assert axe(page) == []
    live.screenshot(path=SCREENSHOTS / f"browser-{look}-best-so-far.png")


def test_a_refusal_is_said_and_leaves_everything_as_it_was(
    live: Locator, explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise sw.StraceError("tiny gives no gradients.")

    wait_answered(live)
    before = explorer.session, explorer.curves
    monkeypatch.setattr("strace_widgets.model.subgraph_gains.subgraph_gains", refuse)
    live.get_by_test_id("refine").click()
    expect(live.get_by_test_id("error")).to_contain_text("Not refined. tiny gives no gradients.")
    assert (explorer.session, explorer.curves) == before
    live.get_by_test_id("dismiss").click()
    expect(live.get_by_test_id("error")).to_have_count(0)


def test_in_jupyterlab_the_curve_falls_cancel_keeps_the_best_and_undo_restores(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    code = f"import strace_widgets as sw\nsw.trace(sw.load_model(), {PROMPT!r}).explore()"
    with open_notebook(tmp_path, code) as page:
        run_all(page)
        card = page.get_by_test_id("strace-explorer").first
        wait_answered(card)
        outline = card.locator("path.sw-line")
        before = outline.get_attribute("d") or ""
        watch(card)
        card.get_by_test_id("passes").select_option("100")
        card.get_by_test_id("refine").press("Enter")
        page.wait_for_function("seen.lines.length > 1", timeout=60_000)
        card.screenshot(path=SCREENSHOTS / "jupyterlab-refining.png")
        card.get_by_test_id("cancel").click()
        expect_refined(card)
        expect_falling(card, 2)
        assert area_of(outline.get_attribute("d") or "", card) < area_of(before, card)
        card.screenshot(path=SCREENSHOTS / "jupyterlab-refined.png")
        page.keyboard.press("Control+z")
        expect(card.get_by_test_id("importance")).to_have_value("l1")
        expect(outline).to_have_attribute("d", before)
        page.keyboard.press("Control+Shift+z")
        expect_refined(card)
