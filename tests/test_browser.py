"""The built bundle in Chromium, by pointer and keyboard, on real results of the tiny model; no kernel, no network."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SCREENSHOTS
from live_page import Recording, axe, mount, open_page, record, with_tokens
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw
from strace_widgets.session import Session

pytestmark = pytest.mark.browser

LAYER_2 = ("2.0", "2.1", "2.2", "2.3", "2.mlp")
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


@pytest.fixture(scope="module")
def recording(tiny: Any) -> Recording:
    """The tiny model's trace, with exact results for every switching of two nodes and of one layer."""
    trace = sw.trace(tiny, "w5 w17 w3 w88 w41 w2")
    session = Session(trace)
    start = session.start_size()
    states = ("auto", "off", "on")
    pairs = [
        {key: state for key, state in zip(("1.2", "0.mlp"), pair, strict=True) if state != "auto"}
        for pair in itertools.product(states, states)
    ]
    layers: list[dict[str, str]] = [dict.fromkeys(LAYER_2, state) for state in ("off", "on")]
    layers += [{key: "off" for key in LAYER_2 if key != skipped} for skipped in LAYER_2]
    return record(session, [(start, toggles) for toggles in [*pairs, *layers]] + [(trace.n_edges, {}), (1, {})])


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A bare page; any request, console error or exception fails the test."""
    page, troubles = open_page(browser, tmp_path / "page.html")
    yield page
    page.close()
    assert not troubles


@pytest.fixture
def explorer(page: Page, recording: Recording) -> Locator:
    return mount(page, recording)


def size_of(explorer: Locator) -> int:
    return int(explorer.get_by_test_id("edges").get_attribute("data-edges") or 0)


def wait_answered(explorer: Locator) -> None:
    expect(explorer.get_by_test_id("state")).to_have_attribute("data-state", "exact")
    expect(explorer.get_by_test_id("state")).to_have_attribute("data-running", "false")


def expect_numbers(explorer: Locator, recording: Recording, toggles: dict[str, str]) -> None:
    """What is on screen is what Python computed for these switches."""
    wait_answered(explorer)
    answer = recording.answer(recording.state["n_edges"], toggles)
    expect(explorer.get_by_test_id("edges")).to_have_attribute("data-edges", str(answer["edges_kept"]))
    assert float(explorer.get_by_test_id("tv").inner_text()) == pytest.approx(answer["total_variation"], abs=6e-4)
    probabilities = {token["token"]: token["probability"] for token in answer["head"]}
    for row in explorer.get_by_test_id("head-row").all():
        shown = float(row.get_attribute("data-probability") or -1)
        assert shown == pytest.approx(probabilities[row.get_attribute("data-token") or ""], abs=1e-6)


def place(page: Page) -> str | None:
    """Where in the grid the focus is."""
    return page.evaluate("document.activeElement.dataset.place ?? null")


def saved(page: Page, which: int = 0) -> list[list[Any]]:
    """Return the requests that a kernel would have seen."""
    return page.evaluate("which => mounted[which].model.saved", which)


def picture(explorer: Locator, name: str) -> None:
    explorer.page.mouse.move(0, 0)
    explorer.screenshot(path=SCREENSHOTS / f"browser-{name}.png")


def drag_to(explorer: Locator, share: float) -> None:
    box = explorer.locator(".sw-curve").bounding_box()
    assert box is not None
    explorer.page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=4)


def test_the_curve_is_dragged(page: Page, explorer: Locator) -> None:
    drag_to(explorer, 0.8)
    page.mouse.down()
    drag_to(explorer, 0.6)
    during = size_of(explorer)
    drag_to(explorer, 0.3)
    assert size_of(explorer) < during
    assert saved(page) == []
    explorer.screenshot(path=SCREENSHOTS / "browser-dragged.png")  # with the pointer where it is
    page.mouse.up()
    assert [asked[0] for asked in saved(page)] == [size_of(explorer)]
    drag_to(explorer, 0.9)  # the button is up: the size stays
    assert [asked[0] for asked in saved(page)] == [size_of(explorer)]


def test_after_a_drag_every_cell_is_as_if_drawn_anew(page: Page, explorer: Locator, recording: Recording) -> None:
    """Shades and labels are written past the renderer, a few a frame: none may be left behind."""
    cells = (
        """card => [...card.querySelectorAll(".sw-cell")].map(cell => [cell.ariaLabel, cell.style.backgroundColor])"""
    )
    strip = """card => card.querySelector("canvas").toDataURL()"""
    drag_to(explorer, 0.2)
    page.mouse.down()
    for share in (0.7, 0.4, 0.95, 0.5):
        drag_to(explorer, share)
    page.mouse.up()
    n_edges = size_of(explorer)
    fresh = mount(page, recording, n_edges=n_edges)
    dragged = page.get_by_test_id("strace-explorer").first
    assert dragged.evaluate(cells) == fresh.evaluate(cells)
    assert dragged.evaluate(strip) == fresh.evaluate(strip)


def test_the_slider_has_keys(page: Page, explorer: Locator, recording: Recording) -> None:
    explorer.get_by_test_id("slider").focus()
    page.keyboard.press("Home")
    assert size_of(explorer) == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert size_of(explorer) == 3
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert size_of(explorer) == 1
    page.keyboard.press("End")
    assert size_of(explorer) == recording.state["bundle"]["n_edges"]
    page.keyboard.press("PageDown")
    expect(explorer.get_by_test_id("state")).to_have_attribute("data-state", "exact")
    smaller = size_of(explorer)
    page.keyboard.press("PageUp")
    assert size_of(explorer) > smaller
    page.wait_for_function("mounted[0].model.saved.length > 0")
    assert saved(page)[-1][0] == size_of(explorer)


def test_the_grid_has_keys(page: Page, explorer: Locator) -> None:
    explorer.locator("[data-component='1.1']").focus()
    for key, target in {
        "ArrowRight": "1.3",
        "ArrowLeft": "1.2",
        "ArrowUp": "2.2",
        "ArrowDown": "1.2",
        "End": "1.5",
        "Home": "1.0",
        "Control+End": "0.5",
        "Control+Home": "2.0",
    }.items():
        page.keyboard.press(key)
        assert place(page) == target, key
    page.keyboard.press("Enter")  # on a layer's number: it opens
    expect(explorer.get_by_test_id("open-layer")).to_be_visible()
    page.keyboard.press("Tab")
    expect(explorer.get_by_test_id("open-layer").get_by_role("button").first).to_be_focused()


def test_enter_and_space_cycle_a_switch(page: Page, explorer: Locator, recording: Recording) -> None:
    head = explorer.locator("[data-component='1.2']")
    head.focus()
    steps: list[tuple[str, dict[str, str]]] = [("Enter", {"1.2": "off"}), ("Space", {"1.2": "on"}), ("Enter", {})]
    for key, toggles in steps:
        page.keyboard.press(key)
        expect(head).to_have_attribute("data-state", toggles.get("1.2", "auto"))
        expect(head).to_have_attribute("aria-label", re.compile(f", {toggles.get('1.2', 'auto')}, "))
        expect_numbers(explorer, recording, toggles)
        if toggles:
            expect(explorer.get_by_role("status").first).to_contain_text(f"Head 1.2 {toggles['1.2']}: TV")
    expect(head).to_be_focused()


def test_switches_by_pointer_chips_and_reset(page: Page, explorer: Locator, recording: Recording) -> None:
    head, mlp = (explorer.locator(f"[data-component='{key}']") for key in ("1.2", "0.mlp"))
    head.click()
    mlp.click()
    mlp.click()
    expect_numbers(explorer, recording, {"1.2": "off", "0.mlp": "on"})
    picture(explorer, "switched")
    explorer.get_by_role("button", name="Set Head 1.2 back to auto").click()
    expect_numbers(explorer, recording, {"0.mlp": "on"})
    head.click()
    explorer.get_by_role("button", name="Reset switches").press("Enter")
    expect_numbers(explorer, recording, {})
    assert saved(page)[-1][1] == {}


def test_a_whole_layer_is_switched(explorer: Locator, recording: Recording) -> None:
    explorer.locator("[data-layer='2']").click()
    layer = explorer.get_by_test_id("open-layer")
    layer.get_by_role("button", name="off", exact=True).click()
    expect_numbers(explorer, recording, dict.fromkeys(LAYER_2, "off"))
    picture(explorer, "layer-off")
    layer.get_by_role("button", name="on", exact=True).press("Space")
    expect_numbers(explorer, recording, dict.fromkeys(LAYER_2, "on"))
    layer.get_by_role("button", name="auto", exact=True).press("Enter")
    expect_numbers(explorer, recording, {})
    layer.locator("[data-node='2.1']").click()
    expect(explorer.locator("[data-component='2.1']")).to_have_attribute("data-state", "off")
    explorer.locator("[data-layer='2']").click()
    expect(layer).to_have_count(0)


def test_a_burst_of_switches_ends_in_the_state_of_the_last(page: Page, explorer: Locator, recording: Recording) -> None:
    """By 200 clicks within one task, and then by 20 real ones."""
    page.evaluate(
        """() => { for (let i = 0; i < 200; i++) {
             document.querySelector(`[data-component="${i % 3 ? "1.2" : "0.mlp"}"]`).click(); } }"""
    )
    # 67 steps of the MLP's switch and 133 of the head's; each has three states.
    expect_numbers(explorer, recording, {"1.2": "off", "0.mlp": "off"})
    for _ in range(20):
        explorer.locator("[data-component='1.2']").click()
    expect_numbers(explorer, recording, {"0.mlp": "off"})
    expect(explorer.locator("[data-component='1.2']")).to_have_attribute("data-state", "auto")


def test_in_a_shadow_root(page: Page, recording: Recording) -> None:
    page.evaluate("document.body.dataset.theme = 'dark'")
    explorer = mount(page, recording, shadow=True)
    expect(explorer).to_have_attribute("data-theme", "dark")
    explorer.locator("[data-component='1.2']").click()
    expect_numbers(explorer, recording, {"1.2": "off"})
    explorer.locator("[data-component='1.2']").press("ArrowUp")
    expect(explorer.locator("[data-component='2.2']")).to_be_focused()
    drag_to(explorer, 0.5)
    page.mouse.down()
    drag_to(explorer, 0.4)
    page.mouse.up()
    assert saved(page)[-1][0] == size_of(explorer) or "1.2" in saved(page)[-1][1]
    picture(explorer, "shadow")


def test_two_on_one_page_leave_each_other_alone(page: Page, recording: Recording) -> None:
    first, second = mount(page, recording), mount(page, recording)
    first = page.get_by_test_id("strace-explorer").first
    first.locator("[data-component='1.2']").click()
    expect_numbers(first, recording, {"1.2": "off"})
    second.get_by_test_id("slider").focus()
    page.keyboard.press("End")
    expect_numbers(first, recording, {"1.2": "off"})
    expect(second.locator("[data-component='1.2']")).to_have_attribute("data-state", "auto")
    assert size_of(second) == recording.state["bundle"]["n_edges"]
    page.wait_for_function("mounted[1].model.saved.length > 0")
    assert saved(page, 0) == [[recording.state["n_edges"], {"1.2": "off"}]]
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, recording: Recording, theme: str) -> None:
    page.evaluate("theme => { document.body.dataset.theme = theme }", theme)
    explorer = mount(page, recording)
    expect(explorer).to_have_attribute("data-theme", theme)
    picture(explorer, theme)
    assert axe(page) == []
    explorer.locator("[data-component='1.2']").click()
    explorer.locator("[data-component='0.mlp']").click(click_count=2)
    explorer.locator("[data-layer='1']").click()
    wait_answered(explorer)
    picture(explorer, f"{theme}-open")
    assert axe(page) == []
    for name in ("Curve", "Tokens by layers", "Layers"):
        explorer.get_by_role("button", name=f"{name} as table", exact=True).click()
    picture(explorer, f"{theme}-tables")
    assert axe(page) == []
    page.evaluate("mounted[0].model.set('status', { state: 'error', message: 'Out of memory.', progress: 0 })")
    expect(explorer.get_by_test_id("error")).to_be_visible()
    assert axe(page) == []
    picture(explorer, f"{theme}-error")
    page.evaluate("mounted[0].unmount()")
    explorer = mount(page, recording, live=False)
    assert axe(page) == []
    picture(explorer, f"{theme}-no-kernel")


def test_pictures_as_tables_say_what_python_computed(page: Page, explorer: Locator, tiny_trace: sw.STrace) -> None:
    sweep = tiny_trace.sweep()
    button = explorer.get_by_role("button", name="Curve as table")
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    rows = explorer.get_by_role("region", name="Curve as table").locator("tbody tr").all_inner_texts()
    assert len(rows) == len(sweep.n_edges)
    for row, n_edges, tv in zip(rows, sweep.n_edges, sweep.total_variation, strict=True):
        cells = row.split("\t")
        assert int(cells[1].replace(",", "")) == n_edges
        assert float(cells[2]) == pytest.approx(tv, abs=6e-4)
    button.press("Enter")
    explorer.get_by_test_id("slider").press("End")
    explorer.get_by_role("button", name="Layers as table", exact=True).click()
    cells = explorer.get_by_role("region", name="Layers as table", exact=True).locator("td")
    assert set(cells.all_inner_texts()) == {"100%"}
    assert cells.count() == tiny_trace.graph.n_layers * (tiny_trace.graph.n_heads + 1)
    page.keyboard.press("Tab")


def test_forced_colours_and_reduced_motion(page: Page, recording: Recording) -> None:
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    explorer = mount(page, recording)
    page.evaluate("mounted[0].model.set('status', { state: 'running', message: '', progress: 0 })")
    mark = explorer.locator(".sw-pill-mark")
    assert mark.evaluate("mark => getComputedStyle(mark).animationName") == "none"
    off, auto = (explorer.locator(f"[data-component='{key}']") for key in ("1.2", "1.3"))
    off.click()
    explorer.locator("[data-component='0.mlp']").click(click_count=2)
    explorer.locator("[data-layer='2']").click()
    colour = "cell => getComputedStyle(cell).backgroundImage + getComputedStyle(cell).backgroundColor"
    assert off.evaluate(colour) != auto.evaluate(colour)
    assert auto.evaluate("cell => getComputedStyle(cell).backgroundColor") != "rgb(255, 255, 255)"
    picture(explorer, "forced-colours")


@pytest.mark.parametrize(("width", "scale"), [(480, 1), (640, 2)])
def test_narrow_and_zoomed_pages_do_not_scroll_sideways(
    browser: Browser, recording: Recording, tmp_path: Path, width: int, scale: int
) -> None:
    """200 % zoom on a screen of 1280 pixels is a viewport of 640 at two device pixels each."""
    page, troubles = open_page(
        browser, tmp_path / "page.html", viewport={"width": width, "height": 900}, device_scale_factor=scale
    )
    explorer = mount(page, recording)
    explorer.locator("[data-component='1.2']").click()
    explorer.locator("[data-layer='2']").click()
    for name in ("Curve", "Tokens by layers", "Layers"):
        explorer.get_by_role("button", name=f"{name} as table", exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    outside = """card => { const right = card.getBoundingClientRect().right + 0.5;
      return [...card.querySelectorAll("*")].filter(element => element.checkVisibility()
        && !element.closest(".sw-table, .sw-unseen, .sw-tokens") && element.getBoundingClientRect().right > right
      ).map(element => element.outerHTML.slice(0, 120)); }"""
    assert explorer.evaluate(outside) == []
    picture(explorer, f"{width}px")
    page.close()
    assert not troubles


def test_token_text_is_shown_as_text(page: Page, recording: Recording) -> None:
    explorer = mount(page, with_tokens(recording, HOSTILE), live=False)
    assert explorer.evaluate("card => card.querySelectorAll('script, b b, .sw-tokens b').length") == 0
    shown = explorer.locator(".sw-tokens bdi").all_inner_texts()
    for visible in ("<script>alert(1)</script>", "·שלום", "⏎", "e\u0301\u0327", "⟨U+202E⟩abc", "∅"):
        assert visible in shown
    explorer.get_by_role("button", name="Tokens by layers as table").click()
    rows = explorer.get_by_role("region", name="Tokens by layers as table").locator("tbody td").all_inner_texts()
    assert rows[0] == "<b>bold</b>"
    picture(explorer, "strange-tokens")


def test_a_long_prompt_is_shown_in_a_window(page: Page, recording: Recording) -> None:
    tokens = [f" t{index}" for index in range(2000)]
    explorer = mount(page, with_tokens(recording, tokens))
    window = explorer.get_by_role("slider", name="First token shown")
    strip = explorer.locator(".sw-positions")
    expect(strip).to_contain_text(re.compile(r"to 1,999: \d+ of 2,000 shown"))
    expect(strip.locator(".sw-strip-labels")).to_contain_text("t1999")
    window.press("Home")
    expect(strip).to_contain_text(re.compile(r"tokens 0 to \d+: \d+ of 2,000 shown"))
    expect(strip.locator(".sw-strip-labels bdi").first).to_have_text("·t0")
    window.press("ArrowRight")
    expect(strip).to_contain_text("tokens 1 to")
    strip.locator(".sw-strip").hover(position={"x": 3, "y": 3})
    expect(strip).to_contain_text("layer 2, ·t1: ")
    picture(explorer, "long-prompt")
    assert axe(page) == []


def test_a_hundred_views_leave_nothing_behind(page: Page, recording: Recording) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.evaluate(
        "([state, answers]) => Object.assign(window, { state, answers })", [recording.state, recording.answers]
    )

    def nodes_after(views: int) -> float:
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
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "Nodes")

    first = nodes_after(3)
    one_view = 400  # nodes, at least
    assert nodes_after(100) < first + one_view
    assert page.evaluate("document.querySelector('main').children.length") == 2
