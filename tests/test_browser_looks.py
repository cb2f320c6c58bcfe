"""The Explorer in other surroundings: themes, widths, shadow roots, strange and many tokens, many views."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_steps import (
    expect_numbers,
    move_over,
    picture,
    saved,
    size_of,
    wait_answered,
)
from live_page import Recording, axe, mount, open_page, with_tokens
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

HOSTILE = [
    "<b>bold</b>",
    "<script>alert(1)</script>",
    " שלום",
    " برج",
    "\n",
    "e\u0301\u0327",
    "\u202eabc",
    "",
    "👩‍👩‍👧",
]


WIDTHS = """() => [...document.querySelectorAll("[data-testid=strace-explorer] :is(svg, canvas)")].map(drawing => {
  const box = drawing.getBoundingClientRect();
  return `${drawing.parentElement.className} ${box.left} ${box.width}`;
})"""


@pytest.mark.parametrize("width", [1100, 1500, 700, 360])
def test_the_first_picture_has_the_width_of_its_place(page: Page, recording: Recording, width: int) -> None:
    """Not of a place that is expected: what is measured or pressed at once would be elsewhere a moment later."""
    page.set_viewport_size({"width": width, "height": 900})
    at_once = page.evaluate(
        f"""async ([state, answers]) => {{
          mount(state, answers);
          await Promise.resolve();
          return ({WIDTHS})();
        }}""",
        [recording.state, recording.answers],
    )
    page.wait_for_timeout(300)
    assert set(at_once) <= set(page.evaluate(WIDTHS))  # what is asked of Python comes later
    assert len(at_once) > 10


def test_in_a_shadow_root(page: Page, recording: Recording) -> None:
    page.evaluate("document.body.dataset.theme = 'dark'")
    card = mount(page, recording, shadow=True)
    expect(card).to_have_attribute("data-theme", "dark")
    card.locator("[data-component='1.2']").click()
    expect_numbers(card, recording, {"1.2": "off"})
    card.locator("[data-component='1.2']").press("ArrowUp")
    expect(card.locator("[data-component='2.2']")).to_be_focused()
    move_over(card, 0.5)
    page.mouse.down()
    move_over(card, 0.4)
    page.mouse.up()
    assert saved(page)[-1][0] == size_of(card) or "1.2" in saved(page)[-1][1]
    picture(card, "shadow")


def test_two_on_one_page_leave_each_other_alone(page: Page, recording: Recording) -> None:
    first, second = mount(page, recording), mount(page, recording)
    first = page.get_by_test_id("strace-explorer").first
    first.locator("[data-component='1.2']").click()
    expect_numbers(first, recording, {"1.2": "off"})
    second.get_by_test_id("slider").focus()
    page.keyboard.press("End")
    expect_numbers(first, recording, {"1.2": "off"})
    expect(second.locator("[data-component='1.2']")).to_have_attribute("data-state", "auto")
    assert size_of(second) == recording.state["view_state"]["n_edges"]
    page.wait_for_function("mounted[1].model.saved.length > 0")
    assert saved(page, 0) == [[recording.state["n_edges"], {"1.2": "off"}]]
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, recording: Recording, theme: str) -> None:
    page.evaluate("theme => { document.body.dataset.theme = theme }", theme)
    card = mount(page, recording)
    expect(card).to_have_attribute("data-theme", theme)
    picture(card, theme)
    assert axe(page) == []
    card.locator("[data-component='1.2']").click()
    card.locator("[data-component='0.mlp']").click(click_count=2)
    card.locator("[data-layer='1']").click()
    wait_answered(card)
    picture(card, f"{theme}-open")
    assert axe(page) == []
    for name in ("Curve", "Tokens by layers", "Layers"):
        card.get_by_role("button", name=f"{name} as table", exact=True).click()
    picture(card, f"{theme}-tables")
    assert axe(page) == []
    page.evaluate("mounted[0].model.set('status', { state: 'error', message: 'Out of memory.', progress: 0 })")
    expect(card.get_by_test_id("error")).to_be_visible()
    assert axe(page) == []
    picture(card, f"{theme}-error")
    page.evaluate("mounted[0].unmount()")
    card = mount(page, recording, live=False)
    assert axe(page) == []
    picture(card, f"{theme}-no-kernel")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_what_is_opened(page: Page, live: Locator, theme: str) -> None:
    def check(name: str) -> None:
        picture(live, f"{theme}-{name}")
        assert axe(page) == [], name

    page.evaluate("theme => { document.body.dataset.theme = theme }", theme)
    wait_answered(live)
    for count, key in ((2, "1.2"), (3, "0.mlp")):
        live.locator(f"[data-component='{key}']").click()
        expect(live.get_by_test_id("tried-chip")).to_have_count(count)
    live.get_by_test_id("importance").select_option("l2")
    expect(live.get_by_test_id("tried-chip")).to_have_count(4)
    check("tried")
    live.get_by_test_id("compare").click()
    for chip in (0, 2):
        live.get_by_test_id("tried-chip").nth(chip).click()
    check("compared")
    live.get_by_test_id("compare").click()
    live.get_by_test_id("tried-chip").first.press("F2")
    check("renaming")
    live.get_by_test_id("compare-measures").click()
    live.get_by_test_id("measure-cosine").check()
    check("measures")
    live.get_by_test_id("draw-measures").click()
    expect(live.get_by_test_id("other-curves").locator(".sw-other-line")).to_have_count(
        2
    )  # the one that was switched from stayed
    live.get_by_test_id("code").click()
    expect(live.get_by_test_id("code-dialog")).to_be_visible()
    check("code")
    page.keyboard.press("Escape")
    live.get_by_test_id("prompt-edit").click()
    page.keyboard.type(" ")
    page.keyboard.press("Enter")
    expect(live.get_by_test_id("error")).to_be_visible()
    check("prompt-refused")


def test_forced_colours_and_reduced_motion(page: Page, recording: Recording) -> None:
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    card = mount(page, recording)
    page.evaluate("mounted[0].model.set('status', { state: 'running', message: '', progress: 0 })")
    mark = card.locator(".sw-pill-mark")
    assert mark.evaluate("mark => getComputedStyle(mark).animationName") == "none"
    off, auto = (card.locator(f"[data-component='{key}']") for key in ("1.2", "1.3"))
    off.click()
    card.locator("[data-component='0.mlp']").click(click_count=2)
    card.locator("[data-layer='2']").click()
    colour = "cell => getComputedStyle(cell).backgroundImage + getComputedStyle(cell).backgroundColor"
    assert off.evaluate(colour) != auto.evaluate(colour)
    assert auto.evaluate("cell => getComputedStyle(cell).backgroundColor") != "rgb(255, 255, 255)"
    picture(card, "forced-colours")


@pytest.mark.parametrize(("width", "scale"), [(480, 1), (640, 2)])
def test_narrow_and_zoomed_pages_do_not_scroll_sideways(
    browser: Browser, recording: Recording, tmp_path: Path, width: int, scale: int
) -> None:
    """200 % zoom on a screen of 1280 pixels is a viewport of 640 at two device pixels each."""
    page, troubles = open_page(
        browser, tmp_path / "page.html", viewport={"width": width, "height": 900}, device_scale_factor=scale
    )
    card = mount(page, recording)
    card.locator("[data-component='1.2']").click()
    card.locator("[data-layer='2']").click()
    for name in ("Curve", "Tokens by layers", "Layers"):
        card.get_by_role("button", name=f"{name} as table", exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    outside = """card => { const right = card.getBoundingClientRect().right + 0.5;
      return [...card.querySelectorAll("*")].filter(element => element.checkVisibility()
        && !element.closest(".sw-table, .sw-unseen, .sw-tokens") && element.getBoundingClientRect().right > right
      ).map(element => element.outerHTML.slice(0, 120)); }"""
    assert card.evaluate(outside) == []
    picture(card, f"{width}px")
    page.close()
    assert not troubles


def test_token_text_is_shown_as_text(page: Page, recording: Recording) -> None:
    card = mount(page, with_tokens(recording, HOSTILE), live=False)
    assert card.evaluate("card => card.querySelectorAll('script, b b, .sw-tokens b').length") == 0
    shown = card.locator(".sw-tokens bdi").all_inner_texts()
    for visible in ("<script>alert(1)</script>", "·שלום", "⏎", "e\u0301\u0327", "⟨U+202E⟩abc", "∅"):
        assert visible in shown
    card.get_by_role("button", name="Tokens by layers as table").click()
    rows = card.get_by_role("region", name="Tokens by layers as table").locator("tbody td").all_inner_texts()
    assert rows[0] == "<b>bold</b>"
    picture(card, "strange-tokens")


def test_a_long_prompt_is_shown_in_a_window(page: Page, recording: Recording) -> None:
    tokens = [f" t{index}" for index in range(2000)]
    card = mount(page, with_tokens(recording, tokens))
    window = card.get_by_role("slider", name="First token shown")
    strip = card.locator(".sw-positions")
    expect(strip).to_contain_text(re.compile(r"to 1,999.* of 2,000 shown"))
    expect(strip.locator(".sw-strip-labels")).to_contain_text("t1999")
    window.press("Home")
    expect(strip).to_contain_text(re.compile(r"tokens 0 to \d+.* of 2,000 shown"))
    expect(strip.locator(".sw-strip-labels bdi").first).to_have_text(re.compile("·t[01]"))
    window.press("ArrowRight")
    expect(strip).to_contain_text("tokens 1 to")
    strip.locator(".sw-strip").hover(position={"x": 3, "y": 3})
    expect(strip).to_contain_text("layer 2, ·t1: ")
    picture(card, "long-prompt")
    assert axe(page) == []


def test_a_hundred_views_leave_nothing_behind(page: Page, recording: Recording) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.evaluate(
        "([state, answers]) => Object.assign(window, { state, answers })", [recording.state, recording.answers]
    )

    def left_after(views: int) -> tuple[float, float]:
        listeners = page.evaluate(
            """async views => {
              for (let view = 0; view < views; view += 1) {
                mount(state, answers);
                await new Promise(requestAnimationFrame);
                document.querySelector(".sw-as-table").click();
                mounted.at(-1).model.set("toggles", { "1.2": "off" });
                await new Promise(requestAnimationFrame);
                mounted.at(-1).unmount();
              }
              await new Promise(resolve => setTimeout(resolve, 500));
              return mounted.splice(0).map(({ model }) => model.listeners());
            }""",
            views,
        )
        assert set(listeners) == {0}
        session.send("HeapProfiler.collectGarbage")
        metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
        return metrics["Nodes"], metrics["JSEventListeners"]

    nodes, listeners = left_after(3)
    one_view = 400  # nodes, at least
    nodes_later, listeners_later = left_after(100)
    assert nodes_later < nodes + one_view
    assert listeners_later <= listeners + 3  # the page's own; one view has dozens
    assert page.evaluate("document.querySelector('main').children.length") == 2
