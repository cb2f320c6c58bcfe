"""What the cells are shaded by, and share against effect, in Chromium with the Explorer of Python behind the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_steps import Means, by_pointer_and_keyboard, picture, use, wait_answered
from explorer_steps import BatchGate
from hosts import OpenNotebook, run_all
from live_page import SCREENSHOTS, axe
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw
from strace_widgets.results import switching_off

pytestmark = pytest.mark.browser
ALL = 15


@pytest.fixture(autouse=True)
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchGate]:
    monkeypatch.setattr(switching_off, "ROWS_A_BATCH", (4, 4))
    gate = BatchGate(monkeypatch)
    yield gate
    gate.let_through(1000)


@pytest.fixture
def shaded(live: Locator, explorer: sw.Explorer, batches: BatchGate) -> Locator:
    """The card with all effects, at a size that keeps some of each group."""
    wait_answered(live)
    batches.let_through(1000)
    live.get_by_test_id("shade").select_option("effect")
    expect(unknown(live)).to_have_count(0)
    explorer.n_edges = explorer.trace.n_edges // 2
    wait_answered(live)
    return live


def unknown(card: Locator) -> Locator:
    return card.locator(".sw-cell[data-unknown]")


def cell(card: Locator, name: str) -> Locator:
    return card.locator(f'.sw-cell[data-component="{name}"]')


def brightness(card: Locator, name: str) -> float:
    colour = (
        "cell => getComputedStyle(cell).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, one) => sum + +one, 0)"
    )
    return float(cell(card, name).evaluate(colour))


@by_pointer_and_keyboard
def test_effects_fill_the_grid_and_can_be_cancelled_and_gone_on_with(
    page: Page, live: Locator, explorer: sw.Explorer, batches: BatchGate, means: Means
) -> None:
    wait_answered(live)
    if means == "keyboard":
        live.get_by_test_id("shade").focus()
        page.keyboard.press("ArrowDown")
    else:
        live.get_by_test_id("shade").select_option("effect")
    expect(unknown(live)).to_have_count(ALL)
    expect(live.get_by_test_id("stage-spoken")).to_contain_text("switching off heads and MLPs: 0 of 15")
    batches.let_through()
    expect(unknown(live)).to_have_count(ALL - 3)
    expect(cell(live, "2.mlp")).not_to_have_attribute("data-unknown", "")  # the last layer first
    batches.let_through()
    expect(unknown(live)).to_have_count(ALL - 7)
    picture(live, f"effects-streaming-{means}")
    assert axe(page) == []
    use(live.get_by_test_id("cancel"), means)
    batches.let_through()
    expect(live.get_by_test_id("outcome")).to_contain_text("what was switched off so far is kept")
    expect(live.get_by_test_id("effects-known")).to_contain_text("7 of 15")
    batches.let_through(1000)
    use(live.get_by_test_id("effects-go-on"), means)
    expect(unknown(live)).to_have_count(0)
    found = explorer.trace.effects(by="component", progress=False)
    assert found.known.all()
    for name, far in zip(found.components, found.total_variation.flat, strict=True):
        expect(cell(live, name)).to_have_attribute("title", re_of(far))


def re_of(far: float) -> re.Pattern[str]:
    return re.compile(f"TV {far:.3f} when off")


def test_the_deepest_cell_is_the_head_that_does_most(shaded: Locator, explorer: sw.Explorer) -> None:
    found = explorer.trace.effects(progress=False)
    names = [*found.components]
    order = np.argsort([brightness(shaded, name) for name in names], kind="stable")
    assert names[order[0]] == found.largest(1)[0]


def test_the_scatter_and_the_grid_point_at_each_other(page: Page, shaded: Locator, explorer: sw.Explorer) -> None:
    plot = shaded.get_by_test_id("scatter-plot")
    strongest = explorer.trace.effects(by="component", progress=False).largest(1)[0]
    plot.scroll_into_view_if_needed()
    cell(shaded, strongest).hover()
    ring = plot.locator(".sw-named circle")
    expect(plot.locator(".sw-named text")).to_contain_text(strongest.replace(".mlp", " MLP"))
    box = ring.bounding_box()
    assert box is not None
    page.mouse.move(0, 0)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(shaded.locator(".sw-cell[data-pointed]")).to_have_count(1)
    expect(shaded.get_by_test_id("node-effect")).to_contain_text("off in the whole model: TV")
    page.mouse.down()
    page.mouse.up()
    assert page.evaluate("document.activeElement.classList.contains('sw-cell')")


def test_a_box_in_the_scatter_picks_cells_out_and_escape_lets_them_go(page: Page, shaded: Locator) -> None:
    plot = shaded.get_by_test_id("scatter-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 50, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 40, steps=4)
    expect(plot.locator(".sw-brush")).to_have_count(1)
    page.mouse.up()
    expect(plot.locator(".sw-brush")).to_have_count(0)
    inside, outside = (shaded.locator(f'.sw-cell[data-picked="{picked}"]').count() for picked in ("true", "false"))
    assert inside + outside == ALL
    assert 0 < inside < ALL
    plot.press("Escape")
    expect(shaded.locator("[data-picked]")).to_have_count(0)


@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_it_is_accessible_in_every_look_and_fits_a_phone(page: Page, shaded: Locator, look: str) -> None:
    page.emulate_media(forced_colors="active" if look == "forced" else "none")
    page.evaluate("look => { document.body.dataset.theme = look === 'dark' ? 'dark' : 'light' }", look)
    for shade in ("logit", "weight", "entry", "effect"):
        shaded.get_by_test_id("shade").select_option(shade)
        assert axe(page) == []
    picture(shaded, f"{look}-effects")
    page.set_viewport_size({"width": 360, "height": 800})
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    picture(shaded, f"{look}-effects-phone")


def test_a_chosen_shade_and_what_is_known_outlive_another_measure_and_its_undoing(
    shaded: Locator, explorer: sw.Explorer
) -> None:
    before = explorer.effects
    shaded.get_by_test_id("importance").select_option("l2")
    wait_answered(shaded)
    expect(shaded.get_by_test_id("shade")).to_have_value("effect")
    expect(unknown(shaded)).to_have_count(0)
    shaded.get_by_test_id("undo").click()
    wait_answered(shaded)
    assert (explorer.shade, explorer.effects) == ("effect", before)


CELLS = (
    "import strace_widgets as sw\nmodel = sw.load_model()",
    'trace = sw.trace(model, "The capital of France is")\ntrace.explore()',
)


def test_in_jupyterlab_head_23_4_is_seen_as_most_vital(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    with open_notebook(tmp_path, *CELLS, viewport={"width": 1440, "height": 1700}) as page:
        run_all(page)
        card = page.get_by_test_id("strace-explorer")
        wait_answered(card)
        card.get_by_test_id("shade").select_option("effect")
        expect(card.get_by_test_id("progress")).to_be_visible()
        expect(unknown(card)).to_have_count(0, timeout=120_000)
        expect(cell(card, "23.4")).to_have_attribute("aria-label", re_of(0.665))
        heads = [f"{layer}.{head}" for layer in range(30) for head in range(9)]
        assert min(heads, key=lambda name: brightness(card, name)) == "23.4"
        expect(cell(card, "23.4")).to_have_attribute("data-mark", "vital")
        card.screenshot(path=SCREENSHOTS / "browser-lab-effects.png")
