"""The pictures of the README and the docs: the Explorer in both themes and in a short film, and a study's widget.

    python benchmarks/pictures.py   # writes docs/explorer.png, explorer-dark.png, explorer.gif and study.png

Pictures are of pages, which need no kernel; the film, of a drag, a switch and a refinement, is of an Explorer with
Python behind it, as the tests have it.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from playwright.sync_api import expect, sync_playwright

import strace_widgets as sw
from strace_widgets.explorer.html_page import to_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.append(str(ROOT / "tests"))
from live_page import mount_live, open_page  # noqa: E402 - from there

PROMPT, HEAD, SIZE = "The capital of France is", "23.4", 0.6
VIEW: dict[str, Any] = {"viewport": {"width": 1120, "height": 860}, "device_scale_factor": 1.5}
DRAGGED, HOLD, STEP = 18, 900, 90
"""Frames of a drag over the axis; and how long a picture that is read stays, and one of a movement, in milliseconds."""

PASSES = "100"
"""The budget of the refinement, as its choice has it."""

FILM_WIDTH, FREQUENT, RARE = 840, 176, 80

STUDIED = 30
"""Prompts of the study."""

Frames = list[tuple[Image.Image, int]]


def main() -> None:
    trace = sw.trace(sw.load_model(), PROMPT)
    trace.sweep()
    trace.effects(by="component", progress=False)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
        )
        pictures(browser, trace, Path(folder) / "page.html")
        film(browser, trace, Path(folder) / "live.html")
        picture_of_a_study(browser, trace.model, Path(folder))
        browser.close()


def pictures(browser: Browser, trace: sw.STrace, file: Path) -> None:
    """Write the upper part of the Explorer, light and dark."""
    explorer = sw.Explorer(trace, loop=asyncio.get_running_loop())
    explorer.size, explorer.shade = SIZE, "effect"
    to_html(explorer, file)
    explorer.close()
    for theme, name in (("light", "explorer"), ("dark", "explorer-dark")):
        page = browser.new_page(**VIEW, color_scheme=theme)
        page.goto(file.as_uri())
        page.get_by_test_id("strace-explorer").wait_for()
        page.wait_for_timeout(500)
        left, top, width, _ = box(page, "[data-testid=strace-explorer]")
        upper = {"x": left, "y": top, "width": width, "height": box(page, ".sw-columns")[1] - top}
        page.screenshot(path=DOCS / f"{name}.png", clip=upper, full_page=True)
        page.close()


def picture_of_a_study(browser: Browser, model: sw.Model, folder: Path) -> None:
    """Write a study of shipped prompts, in which the certain predictions are compared with the others."""
    study = sw.study(model, sw.shipped_prompts(), folder / "study", limit=STUDIED, keep_traces=True, baselines=())
    widget = study.explore()
    file = widget.to_html(folder / "study.html")
    widget.close()
    page = browser.new_page(**VIEW)
    page.goto(file.as_uri())
    page.get_by_test_id("compared").select_option("rest")
    left, top, width, height = box(page, "[data-testid=scatter-plot]")
    page.mouse.move(left + 50, top + 26)
    page.mouse.down()
    page.mouse.move(left + 0.42 * width, top + height - 25, steps=6)
    page.mouse.up()
    page.locator("[data-testid=difference][data-done=true]").wait_for()
    page.get_by_test_id("strace-study").screenshot(path=DOCS / "study.png")
    page.close()


def box(page: Page, selector: str) -> list[float]:
    """Return where an element lies: its left, its top, its width and its height, in pixels."""
    found: list[float] = page.locator(selector).first.evaluate(
        "element => { const box = element.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }"
    )
    return found


def film(browser: Browser, trace: sw.STrace, file: Path) -> None:
    """Write the film: the size is dragged, a head is switched off and back, the trace is refined."""
    page, troubles = open_page(browser, file, **VIEW)
    explorer = sw.Explorer(trace, loop=asyncio.get_running_loop())
    explorer.size, explorer.shade = SIZE, "effect"
    card = mount_live(page, explorer)
    rested(card)
    frames = [*dragged(page), *switched(page, card), *refined(page, card)]
    explorer.close()
    if troubles:
        raise RuntimeError("\n".join(troubles))
    shown = in_few_colours([frame for frame, _ in frames])
    path, times = DOCS / "explorer.gif", [time for _, time in frames]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=times, loop=0, optimize=True)
    print(f"{path}: {len(frames)} frames, {sum(times) / 1e3:.0f} s, {path.stat().st_size / 1e6:.2f} MB")


def dragged(page: Page) -> Frames:
    """Film a drag from the first sizes at which anything happens to all edges and back."""
    slider = page.get_by_test_id("slider")
    least, most = (float(slider.get_attribute(name) or 0) for name in ("min", "max"))
    chosen = float(slider.input_value())
    start = least + 0.6 * (most - least)
    frames: Frames = []
    for value in [*np.linspace(start, most, DRAGGED), *np.linspace(most, chosen, DRAGGED // 3)]:
        slider.evaluate(
            "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', { bubbles: true })); }",
            value,
        )
        page.wait_for_timeout(60)
        frames.append((shot(page), HOLD if value in (start, most) else STEP))
    return frames


def switched(page: Page, card: Locator) -> Frames:
    """Film how a head is switched off; afterwards it is as it was."""
    page.evaluate("document.querySelector('.sw-columns').scrollIntoView()")
    page.wait_for_timeout(300)
    frames: Frames = [(shot(page), HOLD)]
    head = page.locator(f"[data-component='{HEAD}']").first
    head.click()
    rested(card)
    frames.append((shot(page), 2 * HOLD))
    page.get_by_test_id("undo").click()
    rested(card)
    return frames


def refined(page: Page, card: Locator) -> Frames:
    """Film how the curve falls while the trace is refined."""
    page.evaluate("scrollTo(0, 0)")
    page.get_by_test_id("passes").select_option(PASSES)
    page.wait_for_timeout(300)
    frames: Frames = [(shot(page), HOLD)]
    page.get_by_test_id("refine").click()
    seen: set[int] = set()
    while page.get_by_test_id("importance").input_value() != "refined":
        page.wait_for_timeout(60)
        step = re.search(r"step (\d+)", card.inner_text())
        third = int(step[1]) // 3 if step else 0
        if third not in seen:  # however fast the machine is
            seen.add(third)
            frames.append((shot(page), 4 * STEP))
    rested(card)
    return [*frames, (shot(page), 3 * HOLD)]


def in_few_colours(frames: list[Image.Image]) -> list[Image.Image]:
    """Return frames of the same few colours: the frequent tints, and rare ones that are far from them."""
    whole = Image.new("RGB", (frames[0].width, 4 * frames[0].height))
    for place, number in enumerate(np.linspace(0, len(frames) - 1, 4).round().astype(int)):
        whole.paste(frames[number], (0, place * frames[0].height))
    palette = Image.new("P", (1, 1))
    ways = {Image.Quantize.MEDIANCUT: FREQUENT, Image.Quantize.MAXCOVERAGE: RARE}
    palette.putpalette(
        [value for way, n in ways.items() for value in (whole.quantize(n, method=way).getpalette() or [])[: 3 * n]]
    )
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


def rested(card: Locator) -> None:
    """Wait until all levels are there and the present size is evaluated."""
    expect(card.get_by_test_id("state")).to_have_attribute("data-state", "exact", timeout=60_000)
    expect(card.locator(".sw-stage")).to_have_count(0, timeout=60_000)
    card.page.wait_for_timeout(300)


def shot(page: Page) -> Image.Image:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return picture.resize((FILM_WIDTH, FILM_WIDTH * picture.height // picture.width), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
