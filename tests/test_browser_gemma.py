"""The Explorer on Gemma 3 270M in a real JupyterLab: post-norms, 262,144 tokens, a start token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser_steps import size_of, tv_of, wait_answered
from conftest import SCREENSHOTS
from hosts import OpenNotebook, run_all
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

CELLS = (
    'import strace_widgets as sw\nmodel = sw.load_model("google/gemma-3-270m")',
    'trace = sw.trace(model, "Paris is the capital of")\nexplorer = trace.explore()\nexplorer',
)


@pytest.fixture(scope="module")
def page(open_notebook: OpenNotebook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A notebook with an Explorer on Gemma, run to its end."""
    with open_notebook(tmp_path_factory.mktemp("lab"), *CELLS) as page:
        run_all(page, 240)  # where the model was not unpacked before, it is now
        yield page


@pytest.fixture
def card(page: Page) -> Locator:
    card = page.get_by_test_id("strace-explorer")
    card.scroll_into_view_if_needed()
    wait_answered(card)
    return card


def first_token(card: Locator) -> tuple[str | None, float]:
    row = card.get_by_test_id("token-row").first
    return row.get_attribute("data-token"), float(row.get_attribute("data-probability") or -1)


def test_the_whole_model_says_france(page: Page, card: Locator) -> None:
    card.get_by_test_id("slider").press("End")
    wait_answered(card)
    assert first_token(card) == (" France", pytest.approx(0.709, abs=2e-3))
    assert tv_of(card) == pytest.approx(0, abs=1e-3)
    assert size_of(card) == 1761  # (L-1) (H T (T+1) / 2 + 3 T) + H T + 3 for 18 layers, 4 heads and 6 tokens
    expect(card).to_contain_text("<bos>")
    page.mouse.move(0, 0)
    card.screenshot(path=SCREENSHOTS / "gemma-whole.png")


def test_dragging_the_size_changes_the_prediction(page: Page, card: Locator) -> None:
    box = card.locator(".sw-curve svg").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.95, middle)
    page.mouse.down()
    seen = []
    for place in (0.8, 0.6, 0.4):
        page.mouse.move(box["x"] + box["width"] * place, middle, steps=8)
        seen.append((size_of(card), first_token(card)))
    page.mouse.up()
    wait_answered(card)
    sizes, first = zip(*seen, strict=True)
    assert sorted({*sizes}, reverse=True) == [*sizes]
    assert len({*first}) == 3
    assert tv_of(card) > 0.5
    card.screenshot(path=SCREENSHOTS / "gemma-dragged.png")


def test_a_layer_is_switched_off(card: Locator) -> None:
    card.get_by_test_id("slider").press("End")
    wait_answered(card)
    card.locator("[data-component='3.mlp']").click()
    expect(card.locator("[data-component='3.mlp']")).to_have_attribute("data-state", "off")
    wait_answered(card)
    assert tv_of(card) > 1e-3
    card.get_by_test_id("undo").click()
    wait_answered(card)
    assert tv_of(card) == pytest.approx(0, abs=1e-3)
