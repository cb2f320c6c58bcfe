"""The pictures of the README: the Explorer in both themes, and a short film of a drag and a toggle.

    python benchmarks/pictures.py            # writes docs/explorer.png, docs/explorer-dark.png and docs/explorer.gif

They are of a page, which needs no kernel, in Chromium.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import strace_widgets as sw
from strace_widgets.explorer.html_page import to_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DOCS = Path(__file__).parents[1] / "docs"
PROMPT, HEAD, SIZE = "The capital of France is", "23.4", 0.6
WIDE, TALL, SCALE = 1120, 860, 1.5
FRAMES, HOLD = 22, 900
"""Frames of a drag over the axis, and how long a picture that is to be read stays, in milliseconds."""

FILM_WIDTH, COLOURS = 840, 96


def main() -> None:
    trace = sw.trace(sw.load_model(), PROMPT)
    trace.sweep()
    trace.effects(by="component", progress=False)
    explorer = trace.explore()
    explorer.complete_levels()
    explorer.size, explorer.shade = SIZE, "effect"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = to_html(explorer, Path(folder) / "page.html", toggles="single")
        explorer.close()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
        )
        for theme, name in (("light", "explorer"), ("dark", "explorer-dark")):
            page = opened(browser, file, color_scheme=theme)
            left, top, width, _ = box(page, "[data-testid=strace-explorer]")
            upper = {"x": left, "y": top, "width": width, "height": box(page, ".sw-columns")[1] - top}
            page.screenshot(path=DOCS / f"{name}.png", clip=upper, full_page=True)
        film([opened(browser, file) for _ in range(2)], DOCS / "explorer.gif")
        browser.close()


def opened(browser: Browser, file: Path, **options: Any) -> Page:
    page = browser.new_page(viewport={"width": WIDE, "height": TALL}, device_scale_factor=SCALE, **options)
    page.goto(file.as_uri())
    page.get_by_test_id("strace-explorer").wait_for()
    page.wait_for_timeout(500)
    return page


def box(page: Page, selector: str) -> list[float]:
    """Return where an element lies: its left, its top, its width and its height, in pixels."""
    found: list[float] = page.locator(selector).first.evaluate(
        "element => { const box = element.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }"
    )
    return found


def film(pages: list[Page], path: Path) -> None:
    """Write a drag from the first sizes at which anything happens to all edges and back, then a head switched off.

    The second page has the size at which its toggles are known.
    """
    page, toggled = pages
    frames: list[tuple[Image.Image, int]] = []
    slider = page.get_by_test_id("slider")
    least, most = (float(slider.get_attribute(name) or 0) for name in ("min", "max"))
    chosen = float(slider.input_value())
    start = least + 0.6 * (most - least)
    there = np.linspace(start, most, FRAMES)
    for value in [*there, *np.linspace(most, chosen, FRAMES // 3)]:
        move(page, value)
        frames.append((shot(page), HOLD if value in (start, most) else 90))
    toggled.evaluate("document.querySelector('.sw-columns').scrollIntoView()")
    toggled.wait_for_timeout(300)
    frames.append((shot(toggled), HOLD))
    toggled.locator(f"[data-component='{HEAD}']").first.click()
    toggled.wait_for_timeout(600)
    frames.append((shot(toggled), 3 * HOLD))
    pictures = [frame.convert("P", palette=Image.Palette.ADAPTIVE, colors=COLOURS) for frame, _ in frames]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=[time for _, time in frames], loop=0, optimize=True
    )
    print(f"{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.2f} MB")


def move(page: Page, value: float) -> None:
    """Set the slider as a hand would."""
    page.get_by_test_id("slider").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', { bubbles: true })); }",
        value,
    )
    page.wait_for_timeout(60)


def shot(page: Page) -> Image.Image:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return picture.resize((FILM_WIDTH, FILM_WIDTH * picture.height // picture.width), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
