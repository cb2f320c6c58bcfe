"""The curve and the prediction forming in Chromium, on a real trace: what is folded, pointed at and read."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from browser_steps import by_pointer_and_keyboard, move_over, picture, size_of, use, wait_answered
from live_page import Recording, axe, mount, mount_live, new_page, open_page, record
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw
from strace_widgets.explorer.session import Session
from strace_widgets.results.jumps import JumpSearch
from strace_widgets.results.sweep import Sweep

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def trace(smollm2: Any) -> sw.STrace:
    return sw.trace(smollm2, "The capital of France is")


@pytest.fixture(scope="module")
def sweep(trace: sw.STrace) -> Sweep:
    return trace.sweep()


@pytest.fixture(scope="module")
def capital(trace: sw.STrace, sweep: Sweep) -> Recording:
    sizes = (1, trace.n_edges, *(int(n) for n in sweep.n_edges))
    return record(Session(trace), [(n, {}) for n in sizes])


@pytest.fixture
def curve(page: Page, capital: Recording) -> Locator:
    return mount(page, capital)


@pytest.fixture
def phone(browser: Browser, capital: Recording, tmp_path: Any) -> Iterator[Locator]:
    page, troubles = open_page(browser, tmp_path / "page.html", viewport={"width": 360, "height": 900})
    yield mount(page, capital)
    page.close()
    assert not troubles


def begins(sweep: Sweep) -> int:
    """From where on the axis has its width."""
    return int(sweep.n_edges[np.flatnonzero(sweep.total_variation >= np.float32(0.95))[-1]])


def x_of(card: Locator) -> float:
    box = card.locator(".sw-handle-knob").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2


def test_what_happens_has_the_width(curve: Locator, sweep: Sweep) -> None:
    """The sizes before are reached all the same, in a strip of their own, by the pointer as by the keys."""
    plot = curve.locator(".sw-curve").bounding_box()
    assert plot is not None
    start = begins(sweep)
    assert 1 < start < sweep.n_edges[-1]
    slider = curve.get_by_test_id("slider")
    slider.press("End")
    end = x_of(curve)
    while size_of(curve) > start:
        slider.press("PageDown")
    assert x_of(curve) < plot["x"] + 80
    assert end > plot["x"] + plot["width"] - 30
    slider.press("Home")
    assert size_of(curve) == 1
    expect(slider).to_have_attribute("aria-valuetext", re.compile("1 edge, total variation"))
    move_over(curve, 0.9)
    curve.page.mouse.down()
    curve.page.mouse.move(plot["x"] + 42 + 12, plot["y"] + 80, steps=5)
    assert 1 < size_of(curve) < start
    curve.page.mouse.move(plot["x"] + 42 + 30, plot["y"] + 80, steps=5)
    assert size_of(curve) > start
    curve.page.mouse.up()


@by_pointer_and_keyboard
def test_the_fold_is_one_step_away(curve: Locator, means: Any) -> None:
    slider, button = curve.get_by_test_id("slider"), curve.get_by_test_id("whole-axis")
    folded = x_of(curve)
    if means == "pointer":
        curve.get_by_test_id("unfold").click()
    else:
        slider.press("f")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert x_of(curve) > folded + 100
    expect(curve.get_by_test_id("unfold")).to_have_count(0)
    picture(curve, f"curve-whole-{means}")
    use(button, means)
    expect(button).to_have_attribute("aria-pressed", "false")
    assert x_of(curve) == folded


@pytest.mark.parametrize("spacing", ["log", "linear"])
@pytest.mark.parametrize("quantity", ["total_variation", "kl"])
def test_the_knob_is_on_the_line_on_every_axis(curve: Locator, spacing: str, quantity: str) -> None:
    curve.get_by_test_id("spacing").select_option(spacing)
    curve.get_by_test_id("quantity").select_option(quantity)
    distance = """card => {
      const [x] = card.querySelector(".sw-handle").transform.baseVal[0].matrix.e.toString().split(",").map(Number);
      const y = card.querySelector(".sw-handle-knob").cy.baseVal.value;
      const line = card.querySelector("path.sw-line");
      const all = [...Array(4000).keys()].map(at => line.getPointAtLength(line.getTotalLength() * at / 3999));
      return Math.min(...all.map(point => Math.hypot(point.x - x, point.y - y)));
    }"""
    for share in (0.15, 0.3, 0.55, 0.7, 0.9):
        move_over(curve, share)
        curve.page.mouse.down()
        assert curve.evaluate(distance) < 1.5
        curve.page.mouse.up()
    picture(curve, f"curve-{spacing}-{quantity}")


def test_a_band_says_its_token_and_probability(curve: Locator, sweep: Sweep, trace: sw.STrace) -> None:
    forming = curve.get_by_test_id("forming")
    box = forming.locator("rect").bounding_box()
    assert box is not None
    curve.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 4)
    says = forming.locator(".sw-forming-says")
    expect(says).to_contain_text("·Paris 0.7")
    expect(forming).to_have_attribute("data-emphasised", "true")
    expect(curve.get_by_test_id("forming-legend").locator("[data-token=' Paris']")).to_have_attribute(
        "data-emphasised", "true"
    )
    curve.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 3)
    expect(says).to_contain_text("all other tokens")
    curve.page.mouse.move(0, 0)
    expect(says).to_have_count(0)
    paris = sweep.probabilities[:, trace.top[0].id]
    slider = curve.get_by_test_id("slider")
    slider.press("End")
    for n_edges, probability in list(zip(sweep.n_edges, paris, strict=True))[::-4]:
        while size_of(curve) > n_edges:
            slider.press("PageDown")
        text = curve.get_by_test_id("forming-legend").locator("[data-token=' Paris'] b").inner_text()
        assert float(text.replace("<0.001", "0")) == pytest.approx(probability, abs=6e-3)


@by_pointer_and_keyboard
def test_a_name_leads_to_where_its_token_is_most_probable(curve: Locator, sweep: Sweep, means: Any) -> None:
    names = curve.get_by_test_id("forming-legend").locator("button")
    vocabulary = curve.page.evaluate("mounted[0].model.get('view_state').vocabulary")
    ids = curve.page.evaluate("mounted[0].model.get('view_state').vocabulary_ids")
    shown = sweep.n_edges >= begins(sweep)
    for name in names.all():
        use(name, means)
        token = ids[vocabulary.index(name.get_attribute("data-token") or "")]
        best = int(sweep.n_edges[shown][sweep.probabilities[shown, token].argmax()])
        assert size_of(curve) == best
        if means == "keyboard":
            expect(curve.get_by_test_id("forming")).to_have_attribute("data-emphasised", "true")


@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_it_is_seen_in_every_theme(page: Page, curve: Locator, look: str) -> None:
    page.emulate_media(forced_colors="active" if look == "forced" else "none")
    page.evaluate("look => { document.body.dataset.theme = look === 'dark' ? 'dark' : 'light' }", look)
    assert axe(page) == []
    picture(curve, f"curve-{look}")
    bands = curve.locator(".sw-band").evaluate_all("bands => bands.map(band => getComputedStyle(band).fill)")
    assert len(set(bands)) == len(bands) > 3


def test_on_a_phone_all_of_it_has_room(phone: Locator) -> None:
    assert phone.evaluate("card => document.documentElement.scrollWidth <= innerWidth")
    labels = phone.locator(".sw-landmark-label").evaluate_all(
        "labels => labels.map(label => label.getBoundingClientRect()).map(({ left, right }) => [left, right])"
    )
    assert labels
    assert all(start >= 0 and end <= 360 for start, end in labels)
    assert all(first[1] <= second[0] for first, second in pairwise(labels))
    assert axe(phone.page) == []
    picture(phone, "curve-phone")


@by_pointer_and_keyboard
def test_the_film_runs_to_the_whole_model_and_the_views_follow(
    curve: Locator, sweep: Sweep, trace: sw.STrace, means: Any
) -> None:
    slider, play, n_edges = curve.get_by_test_id("slider"), curve.get_by_test_id("play"), trace.n_edges
    slider.press("End")
    curve.get_by_test_id("speed").select_option("4")
    whole = curve.locator("[data-component]").evaluate_all("cells => cells.map(cell => cell.ariaLabel)")
    if means == "pointer":
        play.click()
    else:
        slider.press("Space")
    curve.page.wait_for_function(
        """([from, to]) => { const now = Number(document.querySelector("[data-testid=edges]").dataset.edges);
                            return from < now && now < to; }""",
        arg=[begins(sweep), n_edges],
    )
    if means == "pointer":
        curve.locator(".sw-next").click()  # anything pauses it
    else:
        curve.page.keyboard.press("Space")
    paused = size_of(curve)
    expect(play).to_have_text("Play")
    assert begins(sweep) < paused < n_edges
    labels = curve.locator("[data-component]").evaluate_all("cells => cells.map(cell => cell.ariaLabel)")
    assert labels != whole
    assert curve.page.evaluate("mounted[0].model.saved.at(-1)[0]") == paused
    use(play, means)
    expect(curve.get_by_test_id("edges")).to_have_attribute("data-edges", str(n_edges))
    expect(play).to_have_text("Play")


def test_a_page_without_a_kernel_plays_in_steps_where_motion_is_reduced(
    browser: Browser, trace: sw.STrace, sweep: Sweep, tmp_path: Any
) -> None:
    page = new_page(browser, reduced_motion="reduce")
    page.goto(trace.to_html(tmp_path / "page.html").as_uri())
    card = page.get_by_test_id("strace-explorer")
    card.get_by_test_id("speed").select_option("4")
    page.evaluate(
        """() => { window.seen = []; const edges = document.querySelector("[data-testid=edges]");
             const see = () => seen.push(Number(edges.dataset.edges));
             new MutationObserver(see).observe(edges, { attributes: true }); }"""
    )
    card.get_by_test_id("play").click()
    expect(card.get_by_test_id("edges")).to_have_attribute("data-edges", str(trace.n_edges))
    assert page.evaluate("seen") == [int(n) for n in sweep.n_edges if n >= begins(sweep)]
    page.close()


@pytest.fixture
def asked(page: Page, trace: sw.STrace, sweep: Sweep) -> Iterator[tuple[sw.Explorer, Locator]]:
    """Python's own Explorer on the real trace, whose levels are all there."""
    del sweep
    explorer = sw.Explorer(trace, loop=asyncio.get_running_loop())
    card = mount_live(page, explorer)
    wait_answered(card)
    yield explorer, card
    explorer.close()


@by_pointer_and_keyboard
def test_a_jump_is_asked_of_and_its_edges_are_listed(
    asked: tuple[sw.Explorer, Locator], means: Any, page: Page, tmp_path: Any
) -> None:
    explorer, card = asked
    slider, why = card.get_by_test_id("slider"), card.get_by_test_id("why")
    if means == "pointer":
        card.get_by_test_id("jump").last.click()
    else:
        slider.press("End")
        slider.press("w")
    expect(why.locator("li").first).to_be_visible()
    (jump,) = explorer.jumps
    assert why.locator("li").count() == len(jump["edges"]) <= 4
    edge = jump["edges"][0]
    part = f"head {edge['head']}" if edge["kind"] == "attention" else ""
    expect(why.locator("li").first).to_contain_text(f"layer {edge['layer']} {part}".strip())
    expect(why.locator("li").first).to_contain_text(f"TV {edge['before']:.3f} → {edge['after']:.3f}")
    wait_answered(card)
    use(why.locator("li button").first, means)
    assert size_of(card) == edge["rank"] + 1
    wait_answered(card)
    assert explorer.total_variation == pytest.approx(edge["after"], abs=1e-4)
    assert axe(page) == []
    picture(card, f"curve-why-{means}")
    if means == "pointer":
        return
    kept = new_page(page.context.browser)
    kept.goto(explorer.to_html(tmp_path / "page.html").as_uri())
    expect(kept.get_by_test_id("jumps").locator("button")).to_have_count(1)
    kept.get_by_test_id("slider").press("w")
    expect(kept.get_by_test_id("why").locator("li")).to_have_count(len(jump["edges"]))
    kept.close()


def test_looking_into_a_jump_is_cancelled(asked: tuple[sw.Explorer, Locator], monkeypatch: pytest.MonkeyPatch) -> None:
    explorer, card = asked
    honest, held = JumpSearch.step, threading.Event()

    def step(search: JumpSearch) -> None:
        if search.known:
            held.wait(20)
        honest(search)

    monkeypatch.setattr(JumpSearch, "step", step)
    card.get_by_test_id("jumps").locator("button").first.click()
    expect(card.locator(".sw-stage")).to_contain_text("looking into the jump: 2 sizes so far")
    card.get_by_test_id("cancel").click()
    held.set()
    expect(card.get_by_test_id("outcome")).to_contain_text("Cancelled")
    expect(card.get_by_test_id("why")).to_have_text("Not known.")
    assert explorer.jumps == []
