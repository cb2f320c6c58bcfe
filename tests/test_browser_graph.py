"""The graph: drawn in the order of the trace, by pointer and by keyboard, in pages, saved as SVG."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from browser_steps import Means, by_pointer_and_keyboard, drag, expect_answer, picture, use, wait_answered
from live_page import Recording, axe, mount, new_page, with_tokens
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser

INK = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let ink = 0;
  for (let at = 3; at < data.length; at += 4) ink += data[at] > 100;
  return ink;
}"""
LEFT, RIGHT, TOP, BOTTOM = 30, 14, 40, 5
"""The margins of the picture, as `js/src/logic/graph.ts` has them."""


def set_size(page: Page, n_edges: int) -> None:
    page.evaluate("n => mounted[0].model.set('n_edges', n)", n_edges)


def ink(card: Locator) -> int:
    return card.get_by_test_id("graph-canvas").evaluate(INK)


def place(card: Locator, layer: float, token: int, n_tokens: int, n_layers: int) -> dict[str, float]:
    """Return where in the picture a node is."""
    box = card.locator(".sw-graph-canvas").bounding_box()
    assert box is not None
    pitch = (box["width"] - LEFT - RIGHT) / n_tokens, (box["height"] - TOP - BOTTOM) / n_layers
    return {"x": LEFT + (token + 0.5) * pitch[0], "y": box["height"] - BOTTOM - (layer + 1) * pitch[1]}


def test_more_is_drawn_of_a_larger_trace_and_less_again_of_a_smaller_one(
    page: Page, card: Locator, recording: Recording
) -> None:
    all_edges = recording.state["view_state"]["n_edges"]
    seen = []
    for n_edges in (1, 20, all_edges, 20, 1):
        set_size(page, n_edges)
        expect(card.get_by_test_id("graph-drawn")).to_contain_text(f"all {n_edges} edges")
        seen.append(ink(card))
    assert seen[0] < seen[1] < seen[2]
    assert seen[3:] == seen[1::-1]


def test_what_enters_lights_up_while_the_size_is_dragged(page: Page, card: Locator) -> None:
    over = card.locator(".sw-graph-canvas canvas").nth(1)
    assert over.evaluate(INK) == 0
    drag(card, 0.5)
    page.mouse.down()
    page.mouse.move(500, 200, steps=2)
    assert over.evaluate(INK) > 0
    picture_box = card.locator(".sw-graph")
    assert picture_box.is_visible()
    page.mouse.up()
    expect(card.get_by_test_id("graph-canvas")).to_be_visible()
    assert over.evaluate(INK) == 0


def test_the_pointer_names_an_arc_and_a_click_opens_its_head(page: Page, card: Locator, recording: Recording) -> None:
    state = recording.state["view_state"]
    set_size(page, state["n_edges"])
    canvas = card.locator(".sw-graph-canvas")
    # Near its end an arc stands upright under its target.
    at = place(card, 0.25, 2, state["n_tokens"], state["n_layers"])
    tip = card.get_by_test_id("graph-tip")
    for aside in (3, 5, 7, 9, 12):
        canvas.hover(position={"x": at["x"] - aside, "y": at["y"]})
        if tip.count() and "→" in tip.inner_text():
            break
    expect(tip).to_contain_text("layer 1")
    expect(tip).to_contain_text("weight")
    text = tip.inner_text()
    page.mouse.down()
    page.mouse.up()
    opened = card.get_by_test_id("node-detail").get_attribute("data-node-key") or ""
    assert f"head {opened}" in text
    expect(card.get_by_test_id("graph-detail")).to_contain_text("→")


@by_pointer_and_keyboard
def test_a_node_is_switched_and_so_is_an_edge(live: Locator, explorer: sw.Explorer, means: Means) -> None:
    wait_answered(live)
    layer, token = explorer.trace.graph.n_layers - 2, explorer.trace.graph.n_tokens - 2
    live.get_by_test_id("graph-node").focus()
    for key in ("ArrowDown", "ArrowLeft"):
        live.page.keyboard.press(key)
    node, name = live.get_by_test_id("graph-node"), f"{layer}@{token}"
    expect(node).to_have_attribute("data-node", name)
    for state in ("off", "on"):
        use(node, means)
        expect(node).to_have_attribute("aria-label", re.compile(f", {state}, "))
        expect_answer(live, explorer.session.evaluate(explorer.n_edges, {name: state}))
        assert explorer.toggles == {name: state}
    expect(live.locator(".sw-graph-mark")).to_have_attribute("data-state", "on")
    picture(live.locator(".sw-graph"), "graph-toggled")
    head = live.get_by_test_id("graph-detail").get_by_role("button", name=re.compile("^head .*one edge: auto")).first
    text = head.get_attribute("aria-label") or ""
    use(head, means)
    expect(live.locator(".sw-toggle")).to_have_count(2)
    wait_answered(live)
    edge = next(key for key in explorer.toggles if key != name)
    assert re.fullmatch(rf"{layer}\.(\d+)@(\d+)>{token}", edge)
    assert text.startswith(f"head {edge.split('.')[1].split('@')[0]} ")
    expect_answer(live, explorer.session.evaluate(explorer.n_edges, {name: "on", edge: "off"}))
    live.page.keyboard.press("Control+z")
    expect_answer(live, explorer.session.evaluate(explorer.n_edges, {name: "on"}))
    expect(live.get_by_test_id("tried-chip").first).to_be_visible()
    assert f"'{name}': 'on'" in explorer.code()["strace_widgets"]


def test_it_goes_by_keyboard(page: Page, card: Locator, recording: Recording) -> None:
    set_size(page, recording.state["view_state"]["n_edges"])
    node = card.get_by_test_id("graph-node")
    node.focus()
    layers, tokens = recording.state["view_state"]["n_layers"], recording.state["view_state"]["n_tokens"]
    expect(node).to_have_attribute("data-node", f"{layers - 1}@{tokens - 1}")
    for key in ("ArrowDown", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    expect(node).to_have_attribute("data-node", f"{layers - 2}@{tokens - 3}")
    expect(node).to_be_focused()
    assert card.locator(".sw-graph-canvas canvas").nth(1).evaluate(INK) > 0
    head = card.get_by_test_id("graph-edge").first
    for _ in range(4):  # past the toggles of the position, and of residual edges
        page.keyboard.press("Tab")
        if head.evaluate("head => head === document.activeElement"):
            break
    expect(head).to_be_focused()
    page.keyboard.press("Enter")
    layer = card.get_by_test_id("node-detail").get_attribute("data-node-key") or ""
    assert layer.startswith(f"{layers - 2}.")


@pytest.mark.parametrize(("theme", "width"), [("light", 1100), ("dark", 1100), ("light", 390)])
def test_axe_finds_nothing_and_nothing_runs_over(page: Page, recording: Recording, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    page.evaluate("theme => { document.body.dataset.theme = theme }", theme)
    card = mount(page, recording)
    card.get_by_test_id("graph-node").focus()
    card.get_by_role("button", name="Graph as table", exact=True).click()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(card.locator(".sw-graph"), f"graph-{theme}-{width}")


def test_the_readers_own_colours(page: Page, recording: Recording) -> None:
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    card = mount(page, recording)
    assert ink(card) > 0
    picture(card.locator(".sw-graph"), "graph-forced-colours")


def test_the_last_token_stays_in_sight_on_a_long_prompt(page: Page, recording: Recording) -> None:
    tokens = [f" word{index}" for index in range(300)]
    card = mount(page, with_tokens(recording, tokens))
    window = card.get_by_role("slider", name="First token of the graph")
    for key, first in (("Home", 0), ("End", None)):
        window.press(key)
        label = window.get_attribute("aria-valuetext") or ""
        assert "and the last one" in label
        if first is not None:
            assert f"tokens {first} to" in label
        expect(card.locator(".sw-graph-tokens bdi").last).to_have_text("·word299")
    picture(card.locator(".sw-graph"), "graph-long")


def test_a_page_without_a_kernel_draws_it_and_saves_it(browser: Browser, tiny_trace: sw.STrace, tmp_path: Path) -> None:
    page = new_page(browser)
    page.goto(tiny_trace.to_html(tmp_path / "trace.html").as_uri())
    card = page.get_by_test_id("strace-explorer")
    assert ink(card) > 0
    with page.expect_download() as download:
        card.get_by_test_id("graph-save").click()
    download.value.save_as(tmp_path / "graph.svg")
    root: Any = ET.parse(tmp_path / "graph.svg").getroot()  # noqa: S314 - our own file
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(tiny_trace.tokens) <= texts
    page.close()
