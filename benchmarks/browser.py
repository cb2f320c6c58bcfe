"""How long a drag of the size takes from each pointer event to the frame that shows it, and how large the bundle is.

``python benchmarks/browser.py`` measures a recorded session of each model that a package ships, and a synthetic one of
a larger model; ``python benchmarks/browser.py NAME ...`` measures pages (``*.html``) and sessions of other models, by
hub id or folder. Chromium draws in software here, as in the tests. A frame counts as painted when a task queued from
its animation callback runs: style, layout and paint are then behind it. The graph is drawn in it, as all else is. The
pointer sweeps over the whole axis and back, at one event a frame.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import effects
import numpy as np
from playwright.sync_api import sync_playwright

import strace_widgets as sw
from strace_widgets.explorer.bundle import STATIC
from strace_widgets.model.shipped.models import at_hand

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
PROMPT = (
    "When Mary and John went to the store, John gave a drink to Mary. Later that day they walked home together, "
    "and on the way Mary told John that the capital of France is"
)
SYNTHETIC = {"layers": 32, "heads": 32, "tokens": 128}
MOVES = 240
PAINTED = """
window.took = [];
const channel = new MessageChannel();
let started = null;
channel.port1.onmessage = () => {
  if (started !== null) took.push(performance.now() - started);
  started = null;
};
addEventListener("pointermove", () => {
  if (started !== null) return;
  started = performance.now();
  requestAnimationFrame(() => channel.port2.postMessage(null));
}, true);
"""


def main() -> None:
    size = len(gzip.compress((STATIC / "explorer.js").read_bytes()))
    print(f"explorer.js: {size / 1024:.1f} KB gzipped\n")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = [
            Path(name) if name.endswith(".html") else recorded(Path(folder), name) for name in sys.argv[1:] or at_hand()
        ]
        if not sys.argv[1:]:
            pages += [synthetic(Path(folder), known=known) for known in (False, True)]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        print(f"{'event to painted frame':40} {'p50':>8} {'p95':>8} {'worst':>8}")
        for page in pages:
            p50, p95, worst = np.percentile(drag(browser, page), [50, 95, 100])
            print(f"{page.stem:40} {p50:5.1f} ms {p95:5.1f} ms {worst:5.1f} ms")
        browser.close()
    if not sys.argv[1:]:
        print()
        effects.main()


def recorded(folder: Path, name: str) -> Path:
    model = sw.load_model(name)
    trace = sw.trace(model, PROMPT)
    sizes = f"{trace.graph.n_layers} x {trace.graph.n_heads} x {len(trace.tokens)} tokens"
    return trace.to_html(folder / f"{sizes}, {model.name}.html")


def synthetic(folder: Path, *, known: bool) -> Path:
    """Write the page of a larger model; with what each head does, it has the scatter too, and is shaded by it."""
    name = "{layers} x {heads} x {tokens} tokens, synthetic".format(**SYNTHETIC)
    page = folder / f"{name}{', effects' if known else ''}.html"
    options = SYNTHETIC | {"effects": known, "state": {"n_edges": 1000, "shade": "effect" if known else "share"}}
    node = shutil.which("node") or "node"
    subprocess.run([node, "dev/page.mjs", page, json.dumps(options)], cwd=ROOT / "js", check=True)  # noqa: S603
    return page


def drag(browser: Browser, file: Path) -> list[float]:
    """Return the milliseconds from each pointer event of a drag to its painted frame."""
    page = browser.new_page(viewport={"width": 1200, "height": 1100})
    page.add_init_script(PAINTED)
    page.goto(file.absolute().as_uri())
    box = page.locator(".sw-curve").bounding_box()
    assert box is not None, "the curve is hidden"  # noqa: S101
    middle = box["y"] + box["height"] / 2
    place = [0.5 + 0.45 * np.cos(2 * np.pi * move / MOVES) for move in range(MOVES)]
    page.mouse.move(box["x"] + box["width"] * place[0], middle)
    page.mouse.down()
    page.evaluate("took.length = 0")
    for x in place:
        page.mouse.move(box["x"] + box["width"] * x, middle)
    took: list[float] = page.evaluate("took")
    page.mouse.up()
    page.close()
    return took


if __name__ == "__main__":
    main()
