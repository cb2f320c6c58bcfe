"""How long a brush over a study of 10,000 prompts takes from each pointer event to the frame that shows it.

``python benchmarks/brush.py`` measures boxes drawn over the scatter plot and over the curves, with one group and with
two that are compared, on a simulated study of a 30 x 9 model at 25 sizes; ``--n`` takes another number of prompts. A
frame counts as painted as in `benchmarks/browser.py`.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from browser import PAINTED
from playwright.sync_api import sync_playwright

from strace_widgets.explorer.view_state import encoded
from strace_widgets.findings.composition import SIZES as USE_SIZES
from strace_widgets.studies.settings import SIZES
from strace_widgets.studies.tables import CRITERIA
from strace_widgets.study_explorer.following import Portion
from strace_widgets.study_explorer.page import study_page
from strace_widgets.study_explorer.rows import COLUMNS

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from strace_widgets.study_explorer.contract import StudyRows, StudyState

N_LAYERS, N_HEADS = 30, 9
MOVES = 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, metavar="N", help="prompts (default: 10,000)")
    n_prompts = parser.parse_args().n
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "study.html"
        file.write_bytes(study_page(None, state(n_prompts), [Portion(rows(n_prompts), [])], ["l1"]))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.add_init_script(PAINTED)
        start = time.perf_counter()
        page.goto(file.as_uri())
        page.get_by_test_id("group-A").wait_for()
        print(f"{n_prompts:,} prompts: a page of {file.stat().st_size / 1e6:.1f} MB, shown after ", end="")
        print(
            f"{time.perf_counter() - start:.1f} s\n\n{'event to painted frame':40} {'p50':>8} {'p95':>8} {'worst':>8}"
        )
        for compared in ("nothing", "rest"):
            page.get_by_test_id("compared").select_option(compared)
            for part in ("scatter-plot", "curves-plot"):
                p50, p95, worst = np.percentile(brush(page, part), [50, 95, 100])
                name = f"{part.removesuffix('-plot')}, compared with {compared}"
                print(f"{name:40} {p50:5.1f} ms {p95:5.1f} ms {worst:5.1f} ms")
        browser.close()


def brush(page: Page, part: str) -> list[float]:
    """Draw a box, larger and smaller, and let it go; return the milliseconds of each frame."""
    box = page.get_by_test_id(part).bounding_box()
    assert box is not None  # noqa: S101 - for the type checker
    left, top, width, height = box["x"] + 60, box["y"] + 30, box["width"] - 80, box["height"] - 80
    page.evaluate("took.length = 0")
    page.mouse.move(left, top)
    page.mouse.down()
    for move in range(1, MOVES + 1):
        share = 0.5 - 0.5 * np.cos(2 * np.pi * move / MOVES)
        page.mouse.move(left + 8 + share * width * 0.95, top + 8 + share * height * 0.9)
        page.wait_for_timeout(16)
    page.mouse.up()
    took: list[float] = page.evaluate("took")
    page.get_by_test_id("clear-filters").click()
    return took[1:]


def state(n_prompts: int) -> StudyState:
    return {
        "title": "Study of a simulated model",
        "models": [{"name": "simulated", "n_layers": N_LAYERS, "n_heads": N_HEADS, "opens": "none"}],
        "runs": [{"importance": "l1", "masks": "all"}],
        "importances": ["l1"],
        "sizes": list(SIZES),
        "use_sizes": list(USE_SIZES),
        "criteria": list(CRITERIA),
        "columns": list(COLUMNS),
        "n_asked": n_prompts,
    }


def rows(n: int) -> StudyRows:
    """Return prompts whose curves and components go with their entropy, more or less."""
    random = np.random.default_rng(0)
    entropy = random.gamma(2, 1.5, n)
    bend = (0.4 + entropy / 6 + random.uniform(0, 0.4, n))[:, None]
    curves = (1 - (np.log10(SIZES) + 4) / 4) ** (1 / bend)
    necessary = 10 ** np.clip(-4 + bend.T * 1.6 + random.normal(0, 0.5, (len(CRITERIA), n)), -4, 0)
    shares = random.uniform(0, 1, (N_LAYERS * (N_HEADS + 1))) ** 3
    use = [random.binomial(255, np.clip(shares * size**0.3 * bend, 0, 1)) for size in USE_SIZES]
    numbers = [entropy, np.exp(-entropy), random.integers(4, 60, n), np.full(n, np.nan), random.uniform(-1, 1, n)]
    arrays: Any = {
        "numbers": encoded(np.stack(numbers), "float32"),
        "curves": encoded(curves[None], "float32"),
        "necessary": encoded(necessary[None], "float32"),
        "use": encoded(np.stack(use)[None], "uint8"),
    }
    return {
        "model": 0,
        "ids": [f"p{k}" for k in range(n)],
        "texts": [f"A text of no meaning, the {k}th of them" for k in range(n)],
        "kinds": [f"kind {k % 10}" for k in range(n)],
        "languages": ["en"] * n,
        "top1": [" seven"] * n,
        "reasons": [""] * n,
        "arrays": {name: {**array, "data": base64.b64encode(array["data"]).decode()} for name, array in arrays.items()},  # type: ignore[typeddict-item]
    }


if __name__ == "__main__":
    main()
