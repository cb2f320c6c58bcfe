"""Looking inside a subgraph, in Chromium: what components write, what a head attends to, the logit lens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_steps import by_pointer_and_keyboard, picture, use, wait_answered
from live_page import axe, mount_live, new_page
from playwright.sync_api import Locator, Page, expect

import strace_widgets as sw
from strace_widgets.explorer.inside import look_inside

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def trace(smollm2: Any) -> sw.STrace:
    prompt = "When John and Mary went to the store, John gave a drink to"
    trace = sw.trace(smollm2, prompt, target=" Mary", foil=" John")
    trace.sweep()
    return trace


@pytest.fixture
def opened(page: Page, trace: sw.STrace) -> Iterator[tuple[sw.Explorer, Locator]]:
    explorer = sw.Explorer(trace, loop=asyncio.get_running_loop())
    card = mount_live(page, explorer)
    wait_answered(card)
    yield explorer, card
    explorer.close()


def test_what_is_inside_is_what_the_trace_says(trace: sw.STrace) -> None:
    session = trace.explore().session
    n_edges, off = trace.n_edges // 3, {"23.2": "off"}
    inside, head = look_inside(session, n_edges, off, "23.3"), trace.head("23.3", 1 / 3, off)
    direct = np.array(inside["direct"]).reshape(2, trace.graph.n_layers, -1)
    np.testing.assert_allclose(direct[:, 23, 3], head.direct, atol=1e-4)
    np.testing.assert_allclose(direct[:, :, -1], head.lens.mlp, atol=1e-4)
    assert direct[1, 23, 2] == 0
    assert (inside["answer"], inside["rival"]) == (" Mary", " John")
    assert [layer["full"]["token"] for layer in inside["layers"]] == [row[0].token for row in head.lens.full]
    assert inside["head"] is not None
    pattern = np.array(inside["head"]["attention"]).reshape(head.attention.shape)
    np.testing.assert_allclose(pattern / 255, head.attention, atol=0.5 / 255 + 1e-6)
    assert look_inside(session, n_edges, {}, "3.mlp")["head"] is None


@by_pointer_and_keyboard
def test_a_head_is_looked_at(opened: tuple[sw.Explorer, Locator], means: Any, page: Page, tmp_path: Path) -> None:
    explorer, card = opened
    explorer.size = 0.3
    wait_answered(card)
    cell = card.locator('.sw-cell[data-component="23.2"]')
    cell.hover() if means == "pointer" else cell.focus()
    page.wait_for_timeout(400)  # it rests there
    inside = card.get_by_test_id("node-inside")
    expect(card.get_by_test_id("node-detail")).to_have_attribute("data-node-key", "23.2")
    use(inside.get_by_role("button", name="What it attends to and writes"), means)
    expect(inside.locator("canvas")).to_have_count(2)
    expect(inside).to_contain_text("the last token attends to ·Mary")
    expect(inside).to_contain_text("over")
    assert explorer.inside["head"]["node"] == "23.2"
    lens = card.get_by_test_id("lens")
    expect(lens.locator("tbody tr")).to_have_count(explorer.trace.graph.n_layers + 1)
    expect(lens.locator("tbody tr").last).to_contain_text("Mary")
    assert axe(page) == []
    picture(card, f"inside-{means}")
    # Another size is another subgraph: what is known is said to be of the former one.
    explorer.size = 0.5
    wait_answered(card)
    expect(inside).to_contain_text("at s = 0.3")
    expect(lens).to_contain_text("look again")
    if means == "pointer":
        return
    kept = new_page(page.context.browser)
    kept.goto(explorer.to_html(tmp_path / "page.html").as_uri())
    expect(kept.get_by_test_id("lens").locator("tbody tr").last).to_contain_text("Mary")
    kept.close()
