"""Why this token rather than that one: chosen, patched, swapped and cleared, in a real JupyterLab on the real model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_steps import Means, by_pointer_and_keyboard, picture, use, wait_answered
from conftest import SCREENSHOTS
from hosts import OpenNotebook, run_all
from live_page import axe, mount_live, new_page
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser

PROMPT = "When John and Mary went to the store, John gave a drink to"
OTHER = "When John and Mary went to the store, Mary gave a drink to"
CELLS = (
    "import strace_widgets as sw\nmodel = sw.load_model()",
    f"explorer = sw.trace(model, {PROMPT!r}).explore()\nexplorer",
)


@pytest.fixture(scope="module")
def lab(open_notebook: OpenNotebook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A notebook with an Explorer, run to its end."""
    with open_notebook(tmp_path_factory.mktemp("lab"), *CELLS) as page:
        run_all(page)
        yield page


@pytest.fixture
def card(lab: Page) -> Locator:
    """The Explorer, without a question."""
    card = lab.get_by_test_id("strace-explorer")
    card.scroll_into_view_if_needed()
    wait_settled(card)
    if card.get_by_test_id("clear-target").count():
        card.get_by_test_id("clear-target").click()
        expect(card.get_by_test_id("asked")).to_have_count(0)
        wait_settled(card)
    return card


def wait_settled(card: Locator) -> None:
    expect(card.get_by_test_id("progress")).to_have_count(0)
    expect(card.locator(".sw-body")).not_to_have_attribute("inert", re.compile(".*"))
    wait_answered(card)


def token(card: Locator, name: str) -> Locator:
    return card.locator(f'[data-testid="token-row"][data-token="{name}"]').get_by_test_id("choose-token")


def share(card: Locator) -> float:
    return float(card.get_by_test_id("faithfulness").get_attribute("data-share") or "nan")


@by_pointer_and_keyboard
def test_two_tokens_become_target_and_foil_and_are_let_go(card: Locator, means: Means) -> None:
    use(token(card, " Mary"), means)
    expect(card.get_by_test_id("asked")).to_contain_text("Why Mary?")
    expect(token(card, " Mary")).to_have_attribute("aria-pressed", "true")
    wait_settled(card)
    expect(token(card, " Mary")).to_be_focused()  # the keyboard's place outlives the other trace
    use(token(card, " John"), means, "Space")
    expect(card.get_by_test_id("asked")).to_contain_text("Why Mary rather than John?")
    expect(card.get_by_test_id("announcement")).to_contain_text("target Mary, foil John: faithfulness")
    expect(card.get_by_test_id("faithfulness")).to_contain_text("of the logit difference Mary \u2212 John")
    wait_settled(card)
    card.get_by_test_id("quantity").select_option("faithfulness")
    expect(card.locator(".sw-curve-head")).to_contain_text(re.compile(r"CPR \S+ · CMD \S+ over log s"))
    card.get_by_test_id("slider").press("End")
    wait_settled(card)
    assert share(card) == pytest.approx(1, abs=1e-3)
    card.screenshot(path=SCREENSHOTS / f"jupyterlab-targets-{means}.png")

    use(card.get_by_test_id("undo"), means)  # the size
    use(card.get_by_test_id("undo"), means)
    expect(card.get_by_test_id("asked")).to_contain_text("Why Mary?")
    wait_settled(card)
    use(card.get_by_test_id("redo"), means)
    expect(card.get_by_test_id("asked")).to_contain_text("rather than John")
    wait_settled(card)
    if means == "pointer":
        card.get_by_test_id("clear-target").click()
    else:
        token(card, " John").press("Escape")
    expect(card.get_by_test_id("asked")).to_have_count(0)
    expect(card.get_by_test_id("announcement")).to_contain_text("no target: TV")
    expect(card.get_by_test_id("quantity")).to_have_value("total_variation")


def test_a_counterfactual_is_typed_patched_in_and_swapped(lab: Page, card: Locator) -> None:
    token(card, " Mary").click()
    wait_settled(card)
    token(card, " John").click()
    expect(card.get_by_test_id("asked")).to_contain_text("rather than John")
    wait_settled(card)
    card.get_by_test_id("prompt-edit").click()
    card.get_by_test_id("counterfactual-input").fill("When John and Mary went home, Mary gave a drink to")
    lab.keyboard.press("Enter")
    expect(card.get_by_test_id("error")).to_contain_text(
        re.compile(r"has \d+ tokens and the prompt \d+.*→' to'←", re.DOTALL)
    )
    card.screenshot(path=SCREENSHOTS / "jupyterlab-targets-refused.png")
    card.get_by_test_id("counterfactual-input").fill(OTHER)
    lab.keyboard.press("Enter")
    expect(card.get_by_test_id("pair-note")).to_contain_text("differs in 1 of")
    expect(card.locator('.sw-token-other[data-differs="true"]')).to_have_text("·Mary")
    wait_settled(card)
    card.get_by_test_id("ablation").select_option("patch")
    expect(card.get_by_test_id("ablation")).to_have_value("patch")
    wait_settled(card)
    card.screenshot(path=SCREENSHOTS / "jupyterlab-targets-patched.png")
    card.get_by_test_id("slider").press("Home")
    wait_settled(card)
    assert abs(share(card)) < 0.2  # a single edge: the counterfactual's run, all but that

    card.get_by_test_id("swap").press("Enter")
    expect(card.get_by_test_id("asked")).to_contain_text("Why John rather than Mary?")
    expect(card.locator('.sw-token-other[data-differs="true"]')).to_have_text("·John")
    wait_settled(card)
    expect(card.get_by_test_id("ablation")).to_have_value("patch")
    card.get_by_test_id("code").click()
    expect(card.get_by_test_id("code-text")).to_have_value(
        re.compile(r"target=' John', foil=' Mary', counterfactual='When John and Mary.*ablation='patch'", re.DOTALL)
    )
    card.get_by_test_id("code-close").click()
    card.get_by_test_id("undo").click()
    expect(card.get_by_test_id("asked")).to_contain_text("Why Mary rather than John?")
    wait_settled(card)
    card.get_by_test_id("prompt-edit").click()
    card.get_by_test_id("counterfactual-input").fill("")
    lab.keyboard.press("Enter")
    expect(card.get_by_test_id("pair-note")).to_have_count(0)
    expect(card.get_by_test_id("ablation")).to_have_count(0)


@pytest.fixture
def asked(browser: Browser, smollm2: Any) -> Iterator[sw.Explorer]:
    """Python's Explorer on a trace with a question, which it opens with."""
    del browser  # it has started the loop
    trace = sw.trace(smollm2, PROMPT, target=" Mary", foil=" John", counterfactual=OTHER)
    explorer = sw.Explorer(trace, loop=asyncio.get_running_loop())
    yield explorer
    explorer.close()


@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_it_is_accessible_in_every_look_and_fits_a_phone(page: Page, asked: sw.Explorer, look: str) -> None:
    page.emulate_media(forced_colors="active" if look == "forced" else "none")
    page.evaluate("look => { document.body.dataset.theme = look === 'dark' ? 'dark' : 'light' }", look)
    card = mount_live(page, asked)
    wait_settled(card)
    expect(card.get_by_test_id("asked")).to_contain_text("Why Mary rather than John?")
    card.get_by_test_id("quantity").select_option("faithfulness")
    assert axe(page) == []
    picture(card, f"{look}-targets")
    page.set_viewport_size({"width": 360, "height": 800})
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    picture(card, f"{look}-targets-phone")


def test_a_page_shows_the_question_and_asks_no_other(browser: Browser, smollm2: Any, tmp_path: Path) -> None:
    trace = sw.trace(smollm2, PROMPT, target=" Mary", foil=" John", counterfactual=OTHER)
    page = new_page(browser, viewport={"width": 1100, "height": 1100})
    page.goto(trace.to_html(tmp_path / "asked.html").as_uri())
    expect(page.get_by_test_id("asked")).to_contain_text("Why Mary rather than John?")
    expect(page.get_by_test_id("pair-note")).to_contain_text("differs in 1 of")
    expect(page.get_by_test_id("choose-token")).to_have_count(0)
    page.get_by_test_id("quantity").select_option("faithfulness")
    page.get_by_test_id("slider").press("End")
    assert share(page.get_by_test_id("strace-explorer")) == pytest.approx(1, abs=1e-3)
    assert axe(page) == []
    page.close()
