"""A long session as a person has it: a real kernel, JupyterLab, Chromium, two real models. Every number is recomputed.

    python tests/soak.py                 # 1,000 drags, 1,000 toggles, 50 prompts, 20 changes of the model, ...
    python tests/soak.py --share 0.1     # a tenth of everything

What the Explorer shows as exact is recorded as it is painted; `soak_recompute.py` traces and evaluates it all again in
a process of its own. After each Explorer the kernel's memory, the browser's heap, its nodes and listeners are measured.
``tests/test_soak.py`` is the short form.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hosts import jupyter_server, wait_idle, write_notebook
from live_page import chromium, new_page
from playwright.sync_api import Browser, CDPSession, Locator, Page
from soak_growth import MAY_GROW, growth, told

import strace_widgets as sw

TESTS = Path(__file__).parent
BUILD = TESTS.parent / "build" / "soak"
MODELS = ("HuggingFaceTB/SmolLM2-135M-Instruct", "google/gemma-3-270m")
MEASURES = ("l2", "cosine", "l1")
PROMPT = "The capital of France is"
PASSES = 13
"""The budget of a refinement, the Explorer's first."""

PATIENCE = 180_000
"""Milliseconds that any answer may take."""

SETUP = """
import ctypes, gc, json, os, threading
import psutil
import strace_widgets as sw
from IPython.display import display
from ipywidgets.widgets.widget import _instances

MODELS, models = NAMES, {}
turn, explorer = 0, None
""".replace("NAMES", repr(MODELS))
# What the kernel has is printed while there is no Explorer: another cell for it would not do, see `Soak.own`.
OPEN = """
if explorer is not None:
    explorer.close()
name = MODELS[turn % 2]
if name not in models:
    models[name] = sw.load_model(name)
model = models[name]
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
modules = [module for each in models.values() for module in each.nnsight._module.modules()]
print(json.dumps({
    "rss": psutil.Process().memory_info().rss,
    "widgets": len(_instances),
    "threads": threading.active_count(),
    "hooks": sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules),
}))
explorer = sw.trace(model, "The capital of France is").explore()
turn += 1
display(explorer)
"""
BUSY = """
while True:
    sw.trace(model, "The capital of France is").evaluate([0.1, 0.5])
"""
CELLS = (SETUP, OPEN, BUSY)

WATCH = (TESTS / "soak_watch.js").read_text(encoding="utf-8")
SETTLED = """() => {
  const card = document.querySelector('[data-testid="strace-explorer"]:not([data-old])');
  const state = card?.querySelector('[data-testid="state"]');
  return state?.dataset.state === "exact" && state.dataset.running === "false"
    && !card.querySelector('[data-testid="progress"], .sw-body[inert]');
}"""
EFFECT_LABELS = """names => names.map((name) =>
  document.querySelector(`.sw-cell[data-component="${name}"]`).getAttribute("aria-label"))"""


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    drags: int
    toggles: int
    prompts: int
    models: int
    interrupts: int
    restarts: int
    costly: int
    """Other measures, refinements, and maps of effects."""

    @classmethod
    def of(cls, share: float) -> Plan:
        """Return a share of the long form, of which what is costly may be none, with four Explorers at least."""
        whole = cls(drags=1000, toggles=1000, prompts=50, models=20, interrupts=20, restarts=10, costly=20)
        plan = {name: round(number * share) for name, number in asdict(whole).items()}
        least = {name: max(1, number) for name, number in plan.items()} | {"costly": plan["costly"]}
        return cls(**least | {"models": max(4, round(whole.models * share**0.5))})


def parts(number: int, n_parts: int) -> list[int]:
    """Return a number in parts that are as equal as may be."""
    return [number * (part + 1) // n_parts - number * part // n_parts for part in range(n_parts)]


@dataclass
class Soak:
    """A session under way, and what it has recorded."""

    browser: Browser
    address: str
    random: random.Random
    page: Page = field(init=False)
    cdp: CDPSession = field(init=False)
    turn: int = 0
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    latest: dict[str, Any] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    effects: list[dict[str, Any]] = field(default_factory=list)
    measured: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    kernel: dict[str, int] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    # The page and its cells.

    def open_page(self) -> None:
        self.page = new_page(self.browser, viewport={"width": 1440, "height": 1500})
        self.page.set_default_timeout(PATIENCE)
        self.page.add_init_script(WATCH)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.goto(f"{self.address}/lab/tree/notebook.ipynb")
        wait_idle(self.page)
        self.cdp = self.page.context.new_cdp_session(self.page)
        self.cdp.send("Performance.enable")

    def close_page(self) -> None:
        self.page.keyboard.press("Control+s")
        self.page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
        self.page.close()

    def cell(self, code: str) -> Locator:
        return self.page.locator(".jp-CodeCell").nth(CELLS.index(code))

    def start(self, code: str) -> None:
        self.cell(code).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run(self, code: str) -> None:
        """Run a cell to its end."""
        number = self.cell(code).locator(".jp-InputPrompt")
        before = number.inner_text()
        self.start(code)
        self.page.wait_for_function(
            "([element, before]) => element.innerText !== before && /\\[\\d+\\]/.test(element.innerText)",
            arg=[number.element_handle(), before],
            timeout=PATIENCE,
        )
        error = self.cell(code).locator("[data-mime-type='application/vnd.jupyter.error']")
        if error.count():
            self.troubles.append(error.inner_text())

    def menu(self, command: str) -> None:
        self.page.locator(".lm-MenuBar-item", has_text="Kernel").click()
        self.page.locator(f"[data-command='{command}']").click()

    # The Explorer.

    @property
    def card(self) -> Locator:
        return self.page.locator("[data-testid='strace-explorer']:not([data-old])")

    def settle(self) -> None:
        """Wait until what is shown is exact, and take it down."""
        self.page.wait_for_function(SETTLED, timeout=PATIENCE)
        for line in self.page.evaluate("window.soakTake()"):
            self.latest = self.shown[line] = json.loads(line)

    def know_prompt(self, prompt: str) -> None:
        """Remember which prompt the tokens on screen are."""
        self.settle()
        self.prompts[f"{self.latest['model']}|{self.latest['tokens']}"] = prompt

    def open(self) -> None:
        """Open the Explorer anew, on the other model."""
        self.page.evaluate(
            "document.querySelectorAll('[data-testid=strace-explorer]').forEach((card) => { card.dataset.old = ''; })"
        )
        self.run(OPEN)
        self.turn += 1
        self.know_prompt(PROMPT)
        self.kernel = json.loads(self.cell(OPEN).get_by_text('"rss"').last.inner_text())
        self.count("models")

    def trace(self, prompt: str) -> None:
        self.card.get_by_test_id("prompt-edit").click()
        self.card.get_by_test_id("prompt-input").fill(prompt)
        self.page.keyboard.press("Enter")
        self.card.get_by_test_id("prompt-edit").wait_for()
        self.know_prompt(prompt)
        self.count("prompts")

    def drag(self) -> None:
        curve = self.card.locator(".sw-curve")
        curve.scroll_into_view_if_needed()
        box = curve.bounding_box()
        assert box is not None
        for place, share in enumerate(self.random.uniform(0.3, 1) for _ in range(3)):
            self.page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"], steps=3)
            if place == 0:
                self.page.mouse.down()
        self.page.mouse.up()
        self.settle()
        self.count("drags")

    def toggle(self, names: list[str]) -> None:
        self.card.locator(f".sw-cell[data-component='{self.random.choice(names)}']").click()
        self.settle()
        self.count("toggles")

    def components(self, number: int) -> list[str]:
        names = self.card.locator(".sw-cell[data-component]").evaluate_all(
            "all => all.map((one) => one.dataset.component)"
        )
        return self.random.sample(names, number)

    def undo_and_redo(self) -> None:
        for way in ("undo", "undo", "redo"):
            self.card.get_by_test_id(way).click()
            self.settle()

    def choose(self, what: str, value: str) -> None:
        self.card.get_by_test_id(what).select_option(value)
        self.settle()
        assert self.card.get_by_test_id(what).input_value() == value
        self.count(what)

    def refine(self) -> None:
        self.card.get_by_test_id("refine").click()
        self.settle()
        self.count("refinements")

    def see_effects(self) -> None:
        """Shade by what each part does, and take a few of them down."""
        self.card.get_by_test_id("shade").select_option("effect")
        self.page.wait_for_function(
            "!document.querySelector('.sw-cell[aria-label*=\"not switched off\"]')", timeout=PATIENCE
        )
        self.settle()
        names = self.components(5)
        for name, label in zip(names, self.page.evaluate(EFFECT_LABELS, names), strict=True):
            self.effects.append(self.latest | {"component": name, "label": label})
        self.card.get_by_test_id("shade").select_option("share")
        self.count("effects")

    def interrupt(self) -> None:
        """Interrupt a cell that works with the model, while the Explorer waits for an answer."""
        self.start(BUSY)
        self.page.wait_for_timeout(self.random.uniform(200, 1500))
        self.card.locator(f".sw-cell[data-component='{self.components(1)[0]}']").click()
        self.menu("kernelmenu:interrupt")
        self.cell(BUSY).get_by_text("KeyboardInterrupt").first.wait_for(timeout=PATIENCE)
        wait_idle(self.page)
        self.settle()
        self.count("interrupts")

    def restart(self) -> None:
        self.menu("kernelmenu:restart-and-clear")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        wait_idle(self.page)
        self.turn = 0
        self.run(SETUP)
        self.open()
        self.count("restarts")

    def measure(self, life: str) -> None:
        """Measure what the page takes beside what the kernel took, without JupyterLab's own and anywidget's."""
        page = self.page_takes()
        own = {key: self.done.get("interrupts", 0) * value for key, value in self.own.items()}
        self.measured.append(
            {"life": life, "turn": self.turn} | self.kernel | {key: page[key] - own[key] for key in page}
        )
        print(f"{sum(self.done.values()):,} moves", self.measured[-1], flush=True)

    def page_takes(self) -> dict[str, float]:
        for _ in range(3):
            self.cdp.send("HeapProfiler.collectGarbage")
        metrics = {each["name"]: each["value"] for each in self.cdp.send("Performance.getMetrics")["metrics"]}
        return {"heap": metrics["JSHeapUsedSize"], "nodes": metrics["Nodes"], "listeners": metrics["JSEventListeners"]}

    def calibrate(self) -> None:
        """Measure what JupyterLab keeps, without a widget, each time that another cell is the active one, and back."""
        takes = []
        for _ in range(5):
            for code in (BUSY, OPEN):
                self.cell(code).locator(".cm-content").click()
                self.page.wait_for_timeout(500)
            takes.append(self.page_takes())
        self.own = {key: (takes[-1][key] - takes[1][key]) / 3 for key in takes[0]}


@contextmanager
def soaking(browser: Browser, folder: Path, seed: int) -> Iterator[Soak]:
    """Start a JupyterLab with the notebook of the session in it."""
    write_notebook(folder / "notebook.ipynb", *CELLS)
    with jupyter_server(folder) as address:
        soak = Soak(browser, address, random.Random(seed))  # noqa: S311 - what is clicked, and no secret
        soak.open_page()
        yield soak
        soak.page.close()
    log = (folder / "server.log").read_text(encoding="utf-8")
    soak.troubles += [line for line in log.splitlines() if "Traceback" in line]


def work(soak: Soak, prompts: list[str], drags: int, toggles: int) -> None:
    """Drag and switch under each of some prompts."""
    for prompt, n_drags, n_toggles in zip(
        prompts, parts(drags, len(prompts)), parts(toggles, len(prompts)), strict=True
    ):
        if prompt:
            soak.trace(prompt)
        names = soak.components(4)
        moves = ["drag"] * n_drags + ["toggle"] * n_toggles
        soak.random.shuffle(moves)
        for move in moves:
            soak.drag() if move == "drag" else soak.toggle(names)
        soak.undo_and_redo()


def session(soak: Soak, plan: Plan) -> None:
    """Do all of it: first in one kernel and one page, then with restarted kernels and a page that is closed."""
    texts = iter([prompt["text"] for prompt in sw.shipped_prompts() if prompt["text"] != PROMPT])
    soak.run(SETUP)
    soak.calibrate()
    rounds = [parts(number, plan.models) for number in (plan.prompts, plan.drags, plan.toggles, plan.costly)]
    # The first Explorer is interrupted, too: the traceback stays on the page, and later ones take its place.
    rounds.append(parts(plan.interrupts, plan.models)[::-1])
    for number, (n_prompts, drags, toggles, costly, interrupts) in enumerate(zip(*rounds, strict=True)):
        soak.open()
        soak.measure("first")
        work(soak, [next(texts) for _ in range(n_prompts)] or [""], drags, toggles)
        for _ in range(interrupts):
            soak.interrupt()
        if costly:
            soak.see_effects()
            soak.refine()
            soak.choose("importance", MEASURES[number % 2])
            soak.choose("masks", "mlp+residual")
            soak.drag()
    for number in range(plan.restarts):
        if number == plan.restarts // 2:
            soak.close_page()
            soak.open_page()
            soak.settle()
            soak.drag()
            soak.count("pages closed")
        soak.restart()
        work(soak, [""], 3, 3)
        soak.measure("restarted")


def recompute(soak: Soak, folder: Path) -> dict[str, Any]:
    """Recompute what was shown in a fresh process, and return how many numbers that were, and which were wrong."""
    file = folder / "shown.json"
    shown = {"prompts": soak.prompts, "records": list(soak.shown.values()), "effects": soak.effects, "passes": PASSES}
    file.write_text(json.dumps(shown, allow_nan=False), encoding="utf-8")
    program = [sys.executable, str(TESTS / "soak_recompute.py"), str(file)]
    answer = subprocess.run(program, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="how much of the long form")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        with soaking(browser, folder, options.seed) as soak:
            session(soak, Plan.of(options.share))
        seconds = time.monotonic() - start
        answer = recompute(soak, BUILD)
    print(told(soak.done, soak.measured, answer, seconds))
    too_much = [key for key, share in growth(soak.measured).items() if share > MAY_GROW[key]]
    for wrong in answer["wrong"][:20]:
        print(*wrong)
    if answer["wrong"] or soak.troubles or too_much:
        sys.exit(f"not sound: {len(answer['wrong'])} wrong numbers; growing: {too_much}; troubles: {soak.troubles}")


if __name__ == "__main__":
    main()
