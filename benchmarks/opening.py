"""How long the Explorer takes to open in JupyterLab: to its first picture, and until all levels are there.

    python benchmarks/opening.py                                   # 40, 128 and 256 tokens on the default model
    python benchmarks/opening.py --tokens 256 --package FOLDER     # another checkout, built, in place of this one

A real JupyterLab on loopback, in real Chromium. A prompt is traced before, so that what any first trace loads is there;
``sw.trace`` itself is timed in the kernel, ``.explore()`` with the trace in it from the key that runs the cell.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from hosts import jupyterlab  # noqa: E402 - how the tests start it
from live_page import chromium  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

TOKENS = (40, 128, 256)
PATIENCE = 600_000
"""Milliseconds that anything may take."""

PREPARE = """
import time
from itertools import cycle, islice
import strace_widgets as sw

def ids_of(n):
    words = " ".join(prompt["text"] for prompt in sw.shipped_prompts()).split()
    return model.encode(" ".join(islice(cycle(words), n)))[:n]

def seconds(n):
    start = time.perf_counter()
    sw.trace(model, ids_of(n))
    return time.perf_counter() - start

model = sw.load_model(MODEL)
sw.trace(model, ids_of(10)).evaluate([0.5])
print("prepared")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", nargs="+", type=int, default=TOKENS, metavar="N")
    parser.add_argument("--model", default=None, help="a hub id or folder; the default model without")
    parser.add_argument("--package", type=Path, default=ROOT, metavar="FOLDER", help="a checkout that is built")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(options.package.resolve())
    print(f"{'in JupyterLab':16} {'trace()':>10} {'first picture':>15} {'all levels':>12}")
    for n_tokens in options.tokens:
        trace, picture, levels = times(options.model, n_tokens)
        print(f"{n_tokens:6} tokens    {trace:8.2f} s {picture:13.2f} s {levels:10.2f} s", flush=True)


def times(model: str | None, n_tokens: int) -> tuple[float, float, float]:
    """Return the seconds of a trace alone, and from running the cell to the first picture and to the last level."""
    cells = [
        PREPARE.replace("MODEL", repr(model)),
        f"ids_of({n_tokens}); [seconds({n_tokens}) for _ in range(3)][-1]",
        f"explorer = sw.trace(model, ids_of({n_tokens})).explore()\nexplorer",
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium() as browser,
        jupyterlab(browser, Path(folder), *cells) as page,
    ):
        cell(page, 0).locator(".cm-content").click()
        for number in range(2):
            page.keyboard.press("Shift+Enter")
            expect(output(page, number)).to_have_text(re.compile(r"prepared|^\s*[\d.]+\s*$"), timeout=PATIENCE)
        alone = float(output(page, 1).inner_text())
        start = time.perf_counter()
        page.keyboard.press("Shift+Enter")
        page.get_by_test_id("token-row").first.wait_for(timeout=PATIENCE)
        picture = time.perf_counter() - start
        running = page.locator("[data-testid=progress], .sw-stage, [data-testid=more-levels]")
        expect(running).to_have_count(0, timeout=PATIENCE)
        page.locator(".sw-line").first.wait_for(timeout=PATIENCE)
        expect(running).to_have_count(0, timeout=PATIENCE)
        levels = time.perf_counter() - start
    return alone, picture, levels


def cell(page: Page, number: int) -> Any:
    return page.locator(".jp-CodeCell").nth(number)


def output(page: Page, number: int) -> Any:
    return cell(page, number).locator(".jp-OutputArea-output").last


if __name__ == "__main__":
    main()
