"""A node at full detail, in Chromium with the Explorer of Python behind the page."""

from __future__ import annotations

import re

import pytest
from browser_steps import Means, by_pointer_and_keyboard, picture, wait_answered
from live_page import axe
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser


def rest_on(card: Locator, key: str, means: Means) -> None:
    node = card.locator(f"[data-component='{key}']")
    if means == "pointer":
        node.hover()
    else:
        node.focus()


@by_pointer_and_keyboard
@pytest.mark.parametrize("key", ["1.2", "0.mlp"])
def test_a_node_shows_what_python_says_of_it(
    page: Page, live: Locator, explorer: sw.Explorer, key: str, means: Means
) -> None:
    wait_answered(live)
    detail = live.get_by_test_id("node-detail")
    rest_on(live, key, means)
    expect(detail).to_have_attribute("data-node-key", key)
    expect(detail).to_have_attribute("data-detailed", "true")
    truth = explorer.session.node(key)
    edges = detail.locator(".sw-edge")
    expect(edges).to_have_count(len(truth["edges"]))
    kept = [edge["rank"] < explorer.n_edges for edge in truth["edges"]]
    shown = edges.evaluate_all("edges => edges.map(edge => edge.classList.contains('sw-edge-kept'))")
    assert shown == kept
    sources = re.findall(r"(w\d+) (\d+)%", live.get_by_test_id("node-sources").inner_text())
    shares = sorted(truth["shares"], reverse=True)
    assert [int(share) for _, share in sources] == [round(100 * share) for share in shares[: len(sources)]]
    assert sources[0][0] == explorer.trace.tokens[truth["shares"].index(shares[0])]
    assert axe(page) == []
    picture(live, f"node-{key}")


def test_details_follow_the_trace_on_screen(live: Locator, explorer: sw.Explorer) -> None:
    wait_answered(live)
    detail = live.get_by_test_id("node-detail")
    rest_on(live, "1.2", "keyboard")
    expect(detail).to_have_attribute("data-detailed", "true")
    first = explorer.session.node("1.2")
    live.get_by_test_id("importance").select_option("l2")
    expect(live.get_by_test_id("importance")).to_have_value("l2")
    wait_answered(live)
    rest_on(live, "1.2", "keyboard")
    expect(detail).to_have_attribute("data-detailed", "true")
    second = explorer.session.node("1.2")
    assert second != first
    kept = [edge["rank"] < explorer.n_edges for edge in second["edges"]]
    shown = detail.locator(".sw-edge").evaluate_all("all => all.map(edge => edge.classList.contains('sw-edge-kept'))")
    assert shown == kept
