"""An exported page in Chromium, Firefox and WebKit: drag, switches and keys, by mouse and by touch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import webdriver
from browser_steps import size_of
from conftest import PROMPT, SCREENSHOTS
from playwright.sync_api import Browser, expect
from webdriver import Driven, run, until

import strace_widgets as sw
from strace_widgets.explorer.session import Session

pytestmark = pytest.mark.browser

Kind = Literal["mouse", "touch"]
by_mouse_and_touch = pytest.mark.parametrize("kind", ["mouse", "touch"])
KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Shift": "\ue008",
    "Control": "\ue009",
    "Escape": "\ue00c",
    "Space": " ",
    "PageUp": "\ue00e",
    "PageDown": "\ue00f",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
}
WATCH = """() => {
  window.troubles = [];
  window.pointers = [];
  addEventListener("pointerdown", ({ pointerType }) => pointers.push(pointerType), true);
  for (const event of ["error", "unhandledrejection", "securitypolicyviolation"])
    addEventListener(event, ({ message, reason, violatedDirective }) =>
      troubles.push(String(message ?? reason ?? violatedDirective)));
  const tell = console.error;
  console.error = (...words) => (troubles.push(words.join(" ")), tell(...words));
}"""
BOX = """selector => {
  const element = document.querySelector(selector);
  element.scrollIntoView({ block: "nearest" });
  const { x, y, width, height } = element.getBoundingClientRect();
  return [x, y, width, height];
}"""
EDGES = """() => Number(document.querySelector("[data-testid=edges]").dataset.edges)"""
TV = """() => Number(document.querySelector("[data-testid=tv]").innerText)"""
STATE = """() => document.querySelector("[data-testid=state]").dataset.state"""
TOGGLE = """key => document.querySelector(`[data-component="${key}"]`).dataset.state"""
FOCUSED = """() => {
  const { dataset, tagName } = document.activeElement;
  return dataset.testid ?? dataset.place ?? tagName;
}"""
NEXT_PICTURE = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module", params=["chromium", "firefox", "webkit"])
def browser_window(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    webdriver.require(request.param)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with webdriver.started(request.param, tmp_path_factory.mktemp(request.param)) as browser:
        yield browser


@pytest.fixture(scope="module")
def trace(tiny: Any) -> sw.STrace:
    return sw.trace(tiny, PROMPT)


@pytest.fixture(scope="module")
def file(trace: sw.STrace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trace.to_html(tmp_path_factory.mktemp("pages") / "trace.html", toggles="single")


@pytest.fixture
def page(browser_window: Driven, file: Path) -> Iterator[Driven]:
    """The page, on which nothing may go wrong."""
    browser_window.open(file.as_uri())
    until(browser_window, "() => document.querySelector('[data-testid=slider]') !== null")
    run(browser_window, WATCH)
    run(browser_window, NEXT_PICTURE)
    yield browser_window
    assert run(browser_window, "() => troubles") == []


def press(page: Driven, *keys: str, holding: str = "") -> None:
    steps = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
    if holding:
        steps = [{"type": "keyDown", "value": KEYS[holding]}, *steps, {"type": "keyUp", "value": KEYS[holding]}]
    page.act({"type": "key", "id": "keys", "actions": steps})


def point(page: Driven, kind: Kind, *places: tuple[float, float]) -> None:
    """Press at the first place, go to the others, and let go."""
    moves = [{"type": "pointerMove", "duration": 60, "x": round(x), "y": round(y)} for x, y in places]
    down, up = ({"type": name, "button": 0} for name in ("pointerDown", "pointerUp"))
    actions = [moves[0] | {"duration": 0}, down, *moves[1:], up]
    page.act({"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": actions})


def at(page: Driven, selector: str, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
    """Return a place in an element, in shares of its width and height."""
    x, y, width, height = run(page, BOX, selector)
    return x + across * width, y + down * height


def on_curve(page: Driven, *shares: float) -> list[tuple[float, float]]:
    return [at(page, ".sw-curve", share) for share in shares]


def picture(page: Driven, name: str) -> None:
    run(page, NEXT_PICTURE)
    (SCREENSHOTS / f"page-{page.name}-{name}.png").write_bytes(page.picture())


@by_mouse_and_touch
def test_the_line_is_dragged(page: Driven, kind: Kind, trace: sw.STrace) -> None:
    point(page, kind, *on_curve(page, 0.3))
    left = run(page, EDGES)
    # WebKit's driver makes a mouse of every finger.
    assert run(page, "() => pointers") == ["mouse" if page.name == "webkit" else kind]
    point(page, kind, *on_curve(page, 0.3, 0.4, 0.6, 0.8))
    right = run(page, EDGES)
    assert 1 < left < 16 < right < trace.n_edges
    assert run(page, FOCUSED) == "slider"  # the keys go on from here
    picture(page, f"dragged-by-{kind}")
    press(page, "ArrowLeft")
    until(page, f"() => ({EDGES})() < {right}")
    (x, y), (right_edge, _) = at(page, ".sw-curve", 0.8), at(page, "body", 0.999)
    point(page, kind, (x, y), (right_edge, y))  # beside it
    until(page, EDGES, is_=trace.n_edges)
    assert run(page, TV) == pytest.approx(0, abs=1e-3)


def test_the_slider_by_keys(page: Driven, trace: sw.STrace) -> None:
    sweep = trace.sweep()
    levels = sweep.n_edges.tolist()
    for _ in range(40):
        if run(page, FOCUSED) == "slider":
            break
        press(page, "Tab")
    assert run(page, FOCUSED) == "slider"
    press(page, "End")
    until(page, EDGES, is_=trace.n_edges)
    press(page, "PageDown")
    until(page, EDGES, is_=levels[-2])
    assert run(page, STATE) == "exact"
    assert run(page, TV) == pytest.approx(sweep.total_variation[-2], abs=1e-3)
    picture(page, "slider-focused")
    press(page, "Home")
    until(page, EDGES, is_=1)
    press(page, "ArrowRight", "ArrowUp")
    until(page, EDGES, is_=3)
    press(page, "ArrowLeft", "ArrowDown")
    until(page, EDGES, is_=1)
    text = run(page, "() => document.querySelector('[data-testid=slider]').getAttribute('aria-valuetext')")
    assert text.startswith("s = 0.00433, 1 edge, total variation ")


def click(page: Driven, kind: Kind, key: str) -> None:
    point(page, kind, at(page, f"[data-component='{key}']"))


@by_mouse_and_touch
@pytest.mark.parametrize("key", ["1.2", "0.mlp"])
def test_a_switch(page: Driven, kind: Kind, key: str, trace: sw.STrace) -> None:
    session = Session(trace)
    for forced in ("off", "on"):
        click(page, kind, key)
        until(page, TOGGLE, key, is_=forced)
        until(page, STATE, is_="exact")
        known = session.evaluate(session.start_size(), {key: forced})
        assert run(page, TV) == pytest.approx(known["total_variation"], abs=1e-3)
        picture(page, f"{key}-{forced}-by-{kind}")
    click(page, kind, key)
    until(page, TOGGLE, key, is_="auto")


def test_switches_by_keys(page: Driven) -> None:
    run(page, "() => document.querySelector('[role=grid] [tabindex=\"0\"]').focus()")
    place = run(page, FOCUSED)
    press(page, "ArrowRight")
    layer, column = place.split(".")
    moved = f"{layer}.{int(column) + 1}"
    assert run(page, FOCUSED) == moved
    key = run(page, "() => document.activeElement.dataset.component")
    scrolled = run(page, "() => Math.round(scrollY)")
    press(page, "Space")
    until(page, TOGGLE, key, is_="off")
    assert run(page, "() => Math.round(scrollY)") == scrolled
    assert run(page, FOCUSED) == moved
    press(page, "Enter")
    until(page, TOGGLE, key, is_="on")
    picture(page, "cell-focused")
    press(page, "z", holding="Control")
    until(page, TOGGLE, key, is_="off")


def test_a_drag_right_after_a_key(page: Driven, trace: sw.STrace) -> None:
    """What the key asked for is written once the keys rest, which must not end the drag."""
    run(page, "() => document.querySelector('[data-testid=slider]').focus()")
    press(page, "ArrowLeft")
    point(page, "mouse", *on_curve(page, *(share / 20 for share in range(6, 20))), at(page, "body", 0.999, 0))
    until(page, EDGES, is_=trace.n_edges)


def test_a_wheel_over_the_curve_scrolls_the_page(page: Driven) -> None:
    run(page, "() => { document.body.style.minHeight = '3000px'; }")
    before = run(page, EDGES)
    x, y = at(page, ".sw-curve", 0.8)
    scroll = {"type": "scroll", "x": round(x), "y": round(y), "deltaX": 0, "deltaY": 120}
    run(page, NEXT_PICTURE)
    page.act({"type": "wheel", "id": "wheel", "actions": [scroll]})
    until(page, "() => scrollY > 0")
    assert run(page, EDGES) == before


def test_a_finger_drags_sideways_and_scrolls_up_and_down(browser: Browser, file: Path) -> None:
    """Chromium alone scrolls by the touches of its protocol; no driver does."""
    context = browser.new_context(has_touch=True, viewport={"width": 600, "height": 800})
    page = context.new_page()
    page.goto(file.as_uri())
    card = page.get_by_test_id("strace-explorer")
    card.locator(".sw-curve").wait_for()
    fingers = context.new_cdp_session(page)

    def swipe(*places: tuple[float, float]) -> None:
        kinds = ["touchStart", *["touchMove"] * (len(places) - 1)]
        for kind, (x, y) in zip(kinds, places, strict=True):
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    cell = card.locator("[data-component='1.2']")
    for state in ("off", "on", "auto"):
        cell.tap()
        expect(cell).to_have_attribute("data-state", state)
    page.evaluate("scrollTo(0, 0)")
    box = card.locator(".sw-curve").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = size_of(card)
    swipe(*((x + 20 * step, y) for step in range(8)))
    dragged = size_of(card)
    assert dragged > before
    assert page.evaluate("scrollY") == 0
    swipe(*((x, y - 30 * step) for step in range(6)))
    page.evaluate(
        "async () => { for (let n = 0; n < 200 && !scrollY; n += 1) await new Promise(requestAnimationFrame) }"
    )
    assert page.evaluate("scrollY") > 0
    expect(card.get_by_test_id("edges")).to_have_attribute("data-edges", str(dragged))
    page.screenshot(path=SCREENSHOTS / "page-touch.png", full_page=True)
    context.close()


def test_what_opens_by_key_closes_by_key(page: Driven) -> None:
    run(page, "() => document.querySelector('.sw-as-table').focus()")
    press(page, "Enter")
    until(page, "() => document.querySelector('.sw-table') !== null")
    picture(page, "as-table")
    press(page, "Enter")
    until(page, "() => document.querySelector('.sw-table') === null")
    run(page, "() => [...document.querySelectorAll('button')].find(each => each.innerText === 'Tour').focus()")
    press(page, "Space")
    until(page, "() => document.querySelector('[data-testid=tour-callout]') !== null")
    picture(page, "tour")
    press(page, "Escape")
    until(page, "() => document.querySelector('[data-testid=tour-callout]') === null")
    assert run(page, "() => document.activeElement.innerText") == "Tour"


def test_it_looks_the_same(page: Driven) -> None:
    """Nothing is cut off or pushed aside; what is drawn is where it is in the others."""
    assert run(page, "() => document.documentElement.scrollWidth <= innerWidth")
    assert run(page, "() => getComputedStyle(document.querySelector('.sw-as-table')).textDecorationStyle") == "dotted"
    heights = run(page, "() => [...document.querySelectorAll('.sw-card > *')].map(each => each.offsetHeight)")
    assert sum(heights) == pytest.approx(1506, abs=14)
    style = "() => getComputedStyle(document.querySelector(\"[data-component='1.2']\"))"
    click(page, "mouse", "1.2")
    assert "repeating-linear-gradient" in run(page, f"() => ({style})().backgroundImage")
    press(page, "ArrowLeft", "ArrowRight")
    assert run(page, "() => document.activeElement.matches(':focus-visible')")
    assert run(page, f"() => ({style})().outlineWidth") == "2px"
