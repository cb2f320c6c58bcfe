"""The session as a whole, in Chromium with the Explorer of Python behind the page: files, code, full screen, focus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from browser_steps import Means, by_pointer_and_keyboard, expect_answer, size_of, use, wait_answered
from conftest import SCREENSHOTS
from live_page import axe
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser

MINUS = "\N{MINUS SIGN}"


def save(card: Locator, file: Path, means: Means) -> dict[str, Any]:
    with card.page.expect_download() as download:
        use(card.get_by_test_id("save"), means)
    assert download.value.suggested_filename == "strace w5 w17 w3 w88 w41 w2.json"
    download.value.save_as(file)
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def choose_file(card: Locator, file: Path, means: Means) -> None:
    with card.page.expect_file_chooser() as chooser:
        use(card.get_by_test_id("load"), means)
    chooser.value.set_files(file)


@by_pointer_and_keyboard
def test_a_session_is_saved_and_brought_back(
    live: Locator, explorer: sw.Explorer, tmp_path: Path, means: Means
) -> None:
    """Also from under other settings, and what the browser saved Python reads."""
    wait_answered(live)
    live.locator("[data-component='1.2']").click()
    expect(live.get_by_test_id("tried-chip")).to_have_count(2)
    content = save(live, tmp_path / "session.json", means)
    assert (content["format"], content["toggles"]) == ("strace-session", {"1.2": "off"})
    assert [tried["name"] for tried in content["history"]["tried"]] == [f"{MINUS} head 1.2", "s 0.0693"]
    saved = explorer.n_edges, explorer.toggles

    live.get_by_test_id("slider").press("End")
    expect(live.get_by_test_id("tried-chip")).to_have_count(3)
    live.locator("[data-component='1.2']").press("Enter")
    expect(live.get_by_test_id("tried-chip")).to_have_count(4)
    choose_file(live, tmp_path / "session.json", means)
    expect(live.get_by_test_id("tried-chip")).to_have_count(2)
    wait_answered(live)
    assert (explorer.n_edges, explorer.toggles) == saved
    expect(live.get_by_test_id("load")).to_be_focused()

    live.get_by_test_id("importance").select_option("l2")
    expect(live.get_by_test_id("importance")).to_have_value("l2")
    choose_file(live, tmp_path / "session.json", means)
    expect(live.get_by_test_id("importance")).to_have_value("l1")
    expect(live.get_by_test_id("tried-chip")).to_have_count(2)
    expect_answer(live, explorer.session.evaluate(*saved))
    explorer.toggles = {}
    explorer.load_session(tmp_path / "session.json")
    expect(live.locator("[data-component='1.2']")).to_have_attribute("data-state", "off")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no JSON", "This file is no session: it is not JSON."),
        ('{"format": "notebook"}', 'its format is "notebook", not "strace-session"'),
        (
            '{"format": "strace-session", "version": 9}',
            "This session has version 9; this package reads up to version 2.",
        ),
        (None, 'was saved with the model "another"'),
    ],
)
def test_a_wrong_file_gives_a_sentence_and_changes_nothing(
    page: Page, live: Locator, explorer: sw.Explorer, tmp_path: Path, text: str | None, sentence: str
) -> None:
    wait_answered(live)
    before = size_of(live), explorer.n_edges, explorer.toggles
    file = tmp_path / "wrong.json"
    if text is None:
        text = json.dumps(save(live, file, "pointer") | {"model": "another"})
    file.write_text(text)
    choose_file(live, file, "keyboard")
    expect(live.get_by_test_id("error")).to_contain_text(sentence)
    assert axe(page) == []
    assert (size_of(live), explorer.n_edges, explorer.toggles) == before
    live.get_by_test_id("dismiss").press("Enter")
    expect(live.get_by_test_id("error")).to_have_count(0)
    choose_file(live, file, "keyboard")  # the same file again is said again
    expect(live.get_by_test_id("error")).to_contain_text(sentence)


@by_pointer_and_keyboard
def test_code_is_shown_copied_and_closed(page: Page, live: Locator, explorer: sw.Explorer, means: Means) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wait_answered(live)
    live.locator("[data-component='1.2']").click()
    expect(live.get_by_test_id("tried-chip")).to_have_count(2)
    button, dialog, text = (live.get_by_test_id(name) for name in ("code", "code-dialog", "code-text"))
    use(button, means)
    expect(dialog).to_be_visible()
    expect(text).to_have_value(explorer.code()["strace_widgets"])
    for program in ("nnsight", "strace_widgets"):
        use(live.get_by_test_id(f"code-{program}"), means)
        expect(text).to_have_value(explorer.code()[program])
        use(live.get_by_test_id("code-copy"), means)
        expect(dialog.get_by_role("status")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == explorer.code()[program]
    for _ in range(8):  # the focus goes round in the dialog (and through the browser's own bar)
        page.keyboard.press("Tab")
        outside = "document.activeElement !== document.body && !document.activeElement.closest('dialog')"
        assert not page.evaluate(outside)
    page.keyboard.press("Escape") if means == "keyboard" else live.get_by_test_id("code-close").click()
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    assert explorer.toggles == {"1.2": "off"}


@by_pointer_and_keyboard
def test_the_card_fills_the_screen_and_gives_it_back(page: Page, live: Locator, means: Means) -> None:
    wait_answered(live)
    button = live.get_by_test_id("fullscreen")
    filled = "document.fullscreenElement?.dataset.testid === 'strace-explorer'"
    use(button, means)
    page.wait_for_function(filled)
    assert live.evaluate("card => card.scrollWidth <= card.clientWidth")
    page.screenshot(path=SCREENSHOTS / "browser-fullscreen.png")
    live.locator("[data-component='1.2']").click()
    expect(live.locator("[data-component='1.2']")).to_have_attribute("data-state", "off")
    use(button, means)
    page.wait_for_function("document.fullscreenElement === null")
    expect(button).to_be_focused()


def test_tab_reaches_every_control_and_shows_where_it_is(page: Page, live: Locator) -> None:
    """Everything opened: an own outline, or, for the slider, the ring around the knob."""
    wait_answered(live)
    live.locator("[data-component='1.2']").click()
    live.locator("[data-layer='1']").click()
    expect(live.get_by_test_id("tried-chip")).to_have_count(2)
    for name in ("Curve", "Tokens by layers", "Layers"):
        live.get_by_role("button", name=f"{name} as table", exact=True).click()
    live.get_by_test_id("compare").click()
    for chip in live.get_by_test_id("tried-chip").all():
        chip.click()
    expected = live.evaluate(
        """card => [...card.querySelectorAll("button, input, select, summary, textarea, [tabindex]")].filter(element =>
             element.tabIndex >= 0 && !element.disabled && element.checkVisibility()).length"""
    )
    page.evaluate("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    page.mouse.click(2, 2)
    seen: list[str] = []
    for _ in range(expected + 3):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => { const element = document.activeElement;
                 if (element === document.body) return null;
                 const ring = element.type === "range" && document.querySelector(".sw-handle-focus");
                 const { outlineStyle, outlineWidth, stroke } = getComputedStyle(ring || element);
                 const shown = ring ? stroke !== "none" : outlineStyle !== "none" && parseFloat(outlineWidth) >= 1;
                 return [element.outerHTML.slice(0, 300), shown]; }"""
        )
        if focused is None:
            break
        assert focused[1], focused[0]
        seen.append(focused[0])
    assert len(seen) == expected
    assert len(set(seen)) > expected - 3  # the same text may stand in two places


def test_shortcuts_of_the_card_are_its_own(page: Page, live: Locator, explorer: sw.Explorer) -> None:
    """Its keys do not reach the notebook; the notebook's letters do nothing in the card."""
    page.evaluate("window.heard = []; document.addEventListener('keydown', ({ key }) => heard.push(key))")
    wait_answered(live)
    before = explorer.n_edges, explorer.toggles
    live.locator("[data-component='1.2']").focus()
    for key in "abdmxyzc0":
        page.keyboard.press(key)
    assert (explorer.n_edges, explorer.toggles) == before
    page.evaluate("heard.length = 0")
    page.keyboard.press("Enter")
    expect(live.get_by_test_id("tried-chip")).to_have_count(2)
    page.keyboard.press("Control+z")
    expect(live.locator("[data-component='1.2']")).to_have_attribute("data-state", "auto")
    assert "z" not in page.evaluate("heard")
