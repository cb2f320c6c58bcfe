"""Heads and MLPs get names, colours and a switch of their own, in Chromium with Python's Explorer behind the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_steps import Means, by_pointer_and_keyboard, picture, use, wait_answered
from live_page import axe, new_page
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser

GROUPS = {
    "name movers": ["1.3", "2.0"],
    "early MLPs": ["0.mlp", "1.mlp"],
    "<i>ثلاثة</i> of a very long name, as people give": ["0.1"],
    "fourth": ["0.2"],
    "fifth": ["0.3"],
    "sixth": ["1.0"],
}
INK = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let ink = 0;
  for (let at = 3; at < data.length; at += 4) ink += data[at] > 100;
  return ink;
}"""


def cell(card: Locator, name: str) -> Locator:
    return card.locator(f'.sw-cell[data-component="{name}"]')


def chip(card: Locator, name: str) -> Locator:
    return card.get_by_test_id("group-chip").filter(has_text=name)


@by_pointer_and_keyboard
def test_a_head_is_named_filled_switched_and_undone(
    page: Page, live: Locator, explorer: sw.Explorer, means: Means
) -> None:
    wait_answered(live)
    cell(live, "1.3").focus()
    use(live.get_by_test_id("name-node"), means)
    expect(live.get_by_test_id("group-name")).to_be_focused()
    page.keyboard.type("name movers")  # what is selected is replaced
    page.keyboard.press("Enter")
    expect(live.get_by_test_id("group-editor")).to_have_count(0)
    opener = chip(live, "name movers").locator("[aria-expanded]")
    expect(opener).to_be_focused()
    use(opener, means)
    live.get_by_test_id("group-members").fill("2.0, 7.7")
    use(live.get_by_role("button", name="Add", exact=True), means)
    expect(live.get_by_role("alert")).to_contain_text("The model has no 7.7")
    use(live.get_by_role("button", name="green triangle", exact=True), means)
    use(live.get_by_test_id("group-done"), means)
    expect(cell(live, "2.0")).to_have_attribute("aria-label", re.compile("in name movers"))
    use(live.get_by_test_id("group-toggle"), means)
    wait_answered(live)
    assert explorer.groups == [{"name": "name movers", "colour": "green", "members": ["1.3", "2.0"]}]
    assert explorer.toggles == {"1.3": "off", "2.0": "off"}
    use(live.get_by_test_id("undo"), means)
    wait_answered(live)
    assert explorer.toggles == {}
    expect(chip(live, "name movers")).to_have_count(1)


def test_members_light_up_in_the_grid_and_in_the_graph(live: Locator, explorer: sw.Explorer) -> None:
    wait_answered(live)
    explorer.n_edges = explorer.trace.n_edges
    explorer.groups = GROUPS
    wait_answered(live)
    over = live.locator(".sw-graph-canvas canvas").nth(1)
    assert over.evaluate(INK) == 0
    chip(live, "name movers").hover()
    expect(live.locator('.sw-cell[data-picked="true"]')).to_have_count(2)
    assert over.evaluate(INK) > 0
    live.get_by_test_id("groups").get_by_test_id("note-edit").hover()
    expect(live.locator("[data-picked]:not([data-testid])")).to_have_count(0)
    assert over.evaluate(INK) == 0


def test_what_python_sets_is_seen_and_what_is_wrong_is_refused(live: Locator, explorer: sw.Explorer) -> None:
    wait_answered(live)
    explorer.groups, explorer.note = GROUPS, "Seen.\n<script>alert(1)</script>"
    expect(live.get_by_test_id("group-chip")).to_have_count(len(GROUPS))
    expect(live.get_by_test_id("note")).to_have_text("Seen.\n<script>alert(1)</script>")
    expect(live.get_by_test_id("groups").locator("script, bdi i")).to_have_count(0)
    live.get_by_test_id("note-edit").click()
    live.get_by_test_id("note-field").fill("Not seen.")
    live.get_by_test_id("note-field").press("Control+Enter")
    expect(live.get_by_test_id("note")).to_have_text("Not seen.")
    assert explorer.note == "Not seen."


@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_they_are_accessible_in_every_look_and_fit_a_phone(
    page: Page, live: Locator, explorer: sw.Explorer, look: str
) -> None:
    page.emulate_media(forced_colors="active" if look == "forced" else "none")
    page.evaluate("look => { document.body.dataset.theme = look === 'dark' ? 'dark' : 'light' }", look)
    wait_answered(live)
    explorer.groups, explorer.note = GROUPS, "Off, the answer is gone; see also " + "w" * 120
    explorer.toggles = {"1.3": "off"}
    wait_answered(live)
    chip(live, "name movers").locator("[aria-expanded]").click()
    expect(live.get_by_test_id("group-editor")).to_be_visible()
    assert axe(page) == []
    picture(live, f"{look}-groups")
    page.set_viewport_size({"width": 360, "height": 800})
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    picture(live, f"{look}-groups-phone")


def test_a_page_shows_them_and_switches_what_it_knows(browser: Browser, explorer: sw.Explorer, tmp_path: Path) -> None:
    explorer.groups, explorer.note = {"one": ["1.3"], "two": ["1.3", "2.0"]}, "Read me."
    page = new_page(browser)
    page.goto(explorer.to_html(tmp_path / "without.html").as_uri())
    expect(page.get_by_test_id("note")).to_have_text("Read me.")
    expect(page.get_by_test_id("group-chip")).to_have_count(2)
    expect(page.get_by_test_id("group-toggle")).to_have_count(0)
    page.get_by_test_id("group-chip").first.hover()
    expect(page.locator('.sw-cell[data-picked="true"]')).to_have_count(1)
    page.goto(explorer.to_html(tmp_path / "with.html", toggles="single").as_uri())
    one, two = page.get_by_test_id("group-toggle").all()
    one.click()
    expect(page.get_by_test_id("known-toggles")).not_to_contain_text("was not computed")
    one.click()
    one.click()
    two.click()
    expect(page.get_by_test_id("known-toggles")).to_contain_text("This combination was not computed")
    page.close()
