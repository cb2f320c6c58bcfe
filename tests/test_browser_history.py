"""What was tried, in Chromium with the Explorer of Python behind the page: undo, redo, reset, the list, comparison."""

from __future__ import annotations

import pytest
from browser_steps import Means, by_pointer_and_keyboard, expect_answer, picture, tv_of, use, wait_answered
from live_page import axe
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser

MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def tried(live: Locator) -> Locator:
    """The card after three results: the opening one, a head off, the head and an MLP off."""
    wait_answered(live)
    for count, key in ((2, "1.2"), (3, "0.mlp")):
        live.locator(f"[data-component='{key}']").click()
        expect(live.get_by_test_id("tried-chip")).to_have_count(count)
        wait_answered(live)
    return live


def expect_toggles(card: Locator, explorer: sw.Explorer, **states: str) -> None:
    """The card and Python have these toggles and no others, and the numbers for them."""
    toggles = {key.removeprefix("node_").replace("_", "."): state for key, state in states.items()}
    expect(card.locator("[data-component]:not([data-state='auto'])")).to_have_count(len(toggles))
    for key, state in toggles.items():
        expect(card.locator(f"[data-component='{key}']")).to_have_attribute("data-state", state)
    expect_answer(card, explorer.session.evaluate(explorer.n_edges, toggles))
    assert explorer.toggles == toggles


@pytest.mark.parametrize("means", ["pointer", "keyboard", "shortcut"])
def test_undo_and_redo(page: Page, tried: Locator, explorer: sw.Explorer, means: str) -> None:
    undo, redo = (tried.get_by_test_id(name) for name in ("undo", "redo"))

    def step(button: Locator) -> None:
        if means == "shortcut":
            tried.get_by_test_id("slider").press("Control+z" if button is undo else "Control+Shift+Z")
        elif means == "keyboard":
            button.press("Enter")
        else:
            button.click(force=True)  # Playwright itself refuses to click what is disabled

    for states in ({"node_1_2": "off"}, {}, {}):  # the third has nothing left to undo
        step(undo)
        expect_toggles(tried, explorer, **states)
    expect(undo).to_have_attribute("aria-disabled", "true")
    if means != "shortcut":
        expect(undo).to_be_focused()
    for states in ({"node_1_2": "off"}, {"node_1_2": "off", "node_0_mlp": "off"}):
        step(redo)
        expect_toggles(tried, explorer, **states)
    expect(redo).to_have_attribute("aria-disabled", "true")
    if means != "shortcut":
        expect(redo).to_be_focused()
    expect(page.get_by_test_id("tried-chip")).to_have_count(3)  # going back and forth is nothing new


@by_pointer_and_keyboard
def test_reset_goes_back_to_the_beginning_and_can_be_undone(
    tried: Locator, explorer: sw.Explorer, means: Means
) -> None:
    start = explorer.n_edges
    tried.get_by_test_id("slider").press("End")
    expect(tried.get_by_test_id("tried-chip")).to_have_count(4)
    use(tried.get_by_test_id("reset"), means)
    expect_toggles(tried, explorer)
    assert explorer.n_edges == start
    expect(tried.get_by_test_id("reset")).to_be_focused()
    use(tried.get_by_test_id("undo"), means)
    expect_toggles(tried, explorer, node_1_2="off", node_0_mlp="off")
    assert explorer.n_edges == explorer.trace.n_edges


@by_pointer_and_keyboard
def test_one_returns_to_what_was_tried(page: Page, tried: Locator, explorer: sw.Explorer, means: Means) -> None:
    chips = tried.get_by_test_id("tried-chip")
    assert axe(page) == []
    picture(tried, "tried")
    use(chips.nth(1), means)
    expect_toggles(tried, explorer, node_1_2="off")
    expect(chips.nth(1)).to_have_attribute("aria-current", "true")
    expect(chips.nth(1)).to_be_focused()
    assert f"TV {tv_of(tried):.3f}" in chips.nth(1).inner_text()
    use(chips.nth(2), means, "Space")
    expect_toggles(tried, explorer)


@by_pointer_and_keyboard
def test_one_returns_to_another_trace(tried: Locator, explorer: sw.Explorer, means: Means) -> None:
    tried.get_by_test_id("importance").select_option("l2")
    expect(tried.get_by_test_id("tried-chip")).to_have_count(4)
    wait_answered(tried)
    chip = tried.get_by_test_id("tried-chip").nth(2)
    expect(chip).to_contain_text(f"l1 · {MINUS} head 1.2")
    use(chip, means)
    expect(tried.get_by_test_id("importance")).to_have_value("l1")
    expect_toggles(tried, explorer, node_1_2="off")
    expect(chip).to_be_focused()  # it was inert while the trace was under way


@by_pointer_and_keyboard
def test_a_result_is_renamed_and_removed(page: Page, tried: Locator, explorer: sw.Explorer, means: Means) -> None:
    chips, field = tried.get_by_test_id("tried-chip"), tried.get_by_test_id("tried-name")

    def begin() -> None:
        chips.nth(1).press("F2") if means == "keyboard" else chips.nth(1).dblclick()
        expect(field).to_be_focused()

    begin()
    page.keyboard.type("without z")
    page.keyboard.press("Control+z")  # the field's own undo, not the history's
    page.keyboard.press("Escape")
    expect(chips.nth(1)).to_contain_text(f"{MINUS} head 1.2")
    expect(chips.nth(1)).to_be_focused()
    begin()
    page.keyboard.type("<b>mine</b>")
    assert axe(page) == []
    picture(tried, "renaming")
    if means == "keyboard":
        page.keyboard.press("Enter")
        expect(chips.nth(1)).to_be_focused()
    else:
        tried.get_by_test_id("slider").focus()  # leaving the field keeps the name, and the focus where it went
        expect(tried.get_by_test_id("slider")).to_be_focused()
    expect(chips.nth(1).locator("b").first).to_have_text("<b>mine</b>")
    assert [result["name"] for result in explorer.history["tried"]][1] == "<b>mine</b>"
    use(tried.get_by_role("button", name="Remove <b>mine</b>"), means)
    expect(chips).to_have_count(2)
    expect(tried.locator(":focus")).to_have_count(1)
    assert len(explorer.history["tried"]) == 2


@by_pointer_and_keyboard
def test_two_are_compared_side_by_side(page: Page, tried: Locator, explorer: sw.Explorer, means: Means) -> None:
    chips, compare, panel = (tried.get_by_test_id(name) for name in ("tried-chip", "compare", "compare-panel"))
    state = explorer.n_edges, explorer.toggles
    use(compare, means)
    expect(compare).to_have_attribute("aria-pressed", "true")
    use(chips.nth(0), means)
    expect(panel).to_have_count(0)
    use(chips.nth(2), means, "Space")
    expect(panel.locator("thead")).to_contain_text("s 0.0693")
    first, second = (explorer.history["tried"][index] for index in (0, 2))
    cells = panel.locator("tbody tr").first.locator("td")
    assert [float(text) for text in cells.all_inner_texts()[:2]] == [
        pytest.approx(result["total_variation"], abs=6e-4) for result in (first, second)
    ]
    toggles = panel.get_by_test_id("compare-toggle")
    assert [text.split("\t")[:3] for text in toggles.all_inner_texts()] == [
        ["MLP 0", "off", "auto"],
        ["Head 1.2", "off", "auto"],
    ]
    tokens = {row.get_attribute("data-token") for row in panel.get_by_test_id("compare-row").all()}
    assert tokens >= {token["token"] for token in first["top"][:3] + second["top"][:3]}
    assert axe(page) == []
    picture(tried, "compared")
    assert (explorer.n_edges, explorer.toggles) == state  # looking changes nothing
    use(compare, means)
    expect(panel).to_have_count(0)
    expect(compare).to_be_focused()
    chips.nth(1).click(modifiers=["Shift"]) if means == "pointer" else chips.nth(1).press("Shift+Enter")
    expect(chips.nth(1)).to_have_attribute("aria-pressed", "true")


def test_python_and_the_page_share_one_history(live: Locator, explorer: sw.Explorer) -> None:
    wait_answered(live)
    explorer.toggles = {"2": "off"}
    expect(live.get_by_test_id("tried-chip").first).to_contain_text(f"{MINUS} layer 2")
    explorer.size = 1.0
    expect_toggles(live, explorer, **{f"node_2_{node}": "off" for node in (0, 1, 2, 3, "mlp")})
    live.get_by_test_id("undo").click()
    live.get_by_test_id("undo").click()
    expect_toggles(live, explorer)
