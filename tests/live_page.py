"""A bare page around the built bundle, with recorded answers or Python's own Explorer behind the view."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from comm.base_comm import BaseComm
from ipywidgets.widgets.widget import _instances, _put_buffers
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright

import strace_widgets as sw
from strace_widgets.explorer.bundle import STATIC
from strace_widgets.explorer.contract import DEFAULTS
from strace_widgets.explorer.session import Session
from strace_widgets.explorer.shown import _base64

SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"
AXE = Path(__file__).parent.parent / "js" / "node_modules" / "axe-core" / "axe.min.js"

NO_CHROMIUM = "The browser tests need Chromium on the PATH (Debian: apt-get install chromium)."
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Two models for a view: one that answers from a recording, and one with Python's own Explorer behind it.
MODELS = """
const source = document.querySelector("#bundle").textContent;
const { default: explorer } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));

function traits(state) {
  const values = structuredClone(state);
  const listeners = new Map();
  const tell = (event, ...about) => [...(listeners.get(event) ?? [])].forEach((listener) => listener(...about));
  const assign = (changes) => {
    Object.assign(values, changes);
    Object.keys(changes).forEach((name) => tell(`change:${name}`));
  };
  return {
    get: (name) => values[name],
    set: (name, value) => assign({ [name]: value }),
    assign,
    tell,
    on: (event, listener) => listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)),
    off: (event, listener) => listeners.get(event)?.delete(listener),
    listeners: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
  };
}

/** The newest request is answered a moment later. */
function recorded(state, answers) {
  const model = traits(state);
  const saved = [];
  let asked = null;
  const request = () => JSON.stringify([model.get("n_edges"), Object.entries(model.get("toggles")).sort()]);
  const evaluate = () => {
    const key = request();
    if (key === asked) return;
    asked = key;
    saved.push([model.get("n_edges"), model.get("toggles")]);
    model.set("status", { state: "running", message: "", progress: 0 });
    setTimeout(() => {
      if (request() !== key) return;
      if (answers[key]) model.set("evaluation", structuredClone(answers[key]));
      model.set("status", { state: "ready", message: "", progress: 0 });
    }, 5);
  };
  const send = ({ id, kind, node }) => {
    if (kind === "node" && !answers[node]) return;
    setTimeout(() => model.tell("msg:custom", { id, kind, ok: true, ...answers[node] }, []));
  };
  return { ...model, saved, save_changes: evaluate, send };
}

/** Traits and messages cross to Python and back, as over a comm. */
function python(state) {
  const model = traits(state);
  let changed = {};
  const hear = ({ method, state, content }) =>
    method === "custom" ? model.tell("msg:custom", content, []) : model.assign(state);
  // Often while Python talks, seldom while it is silent: each question takes time from what it works at.
  let pause = 10;
  let listening = 0;
  const listen = async () => {
    const told = await fromPython();
    told.forEach(hear);
    pause = told.length ? 10 : Math.min(60, 1.5 * pause);
    if (listening !== null) listening = setTimeout(listen, pause);
  };
  listen();
  return {
    ...model,
    set: (name, value) => {
      changed[name] = value;
      model.set(name, value);
    },
    save_changes: () => {
      toPython({ method: "update", state: changed });
      changed = {};
    },
    send: (content) => toPython({ method: "custom", content }),
    close: () => {
      clearTimeout(listening);
      listening = null;
    },
  };
}

window.mounted = [];
window.mount = (state, answers, shadow) => {
  const outer = document.querySelector("main").appendChild(document.createElement("div"));
  let el = outer;
  if (shadow) {
    const root = outer.attachShadow({ mode: "open" });
    root.append(document.querySelector("style.bundle").cloneNode(true));
    el = root.appendChild(document.createElement("div"));
  }
  const model = answers ? recorded(state, answers) : python(state);
  const shown = new AbortController();
  explorer.render({ model, el, signal: shown.signal });
  mounted.push({ model, unmount: () => { shown.abort(); model.close?.(); outer.remove(); } });
};
window.ready = true;
"""


def page_text() -> str:
    script = (STATIC / "explorer.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Explorer</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ margin: 16px; background: #fff; color: #000 }}
body[data-theme=dark] {{ background: #0b0e11; color: #fff }}
h1, h2 {{ position: absolute; clip-path: inset(50%) }}</style>
<style class="bundle">{(STATIC / "explorer.css").read_text(encoding="utf-8")}</style>
<main><h1>A notebook</h1><h2>The Explorer</h2></main>
<script type="text/plain" id="bundle">{script}</script>
<script type="module">{MODELS}</script></html>"""


@dataclass
class Recording:
    """A state to open at, and exact results by request."""

    state: dict[str, Any]
    answers: dict[str, dict[str, Any]]

    def answer(self, n_edges: int, toggles: Mapping[str, str]) -> dict[str, Any]:
        return self.answers[request(n_edges, toggles)]


def request(n_edges: int, toggles: Mapping[str, str]) -> str:
    return json.dumps([n_edges, sorted(toggles.items())], separators=(",", ":"))


def record(session: Session, requests: Iterable[tuple[int, dict[str, str]]]) -> Recording:
    session.sweep()
    state = {**DEFAULTS, "view_state": session.view_state(), "n_edges": session.start_size(), "live": True}
    answers = {request(*asked): session.evaluate(*asked) for asked in requests}
    graph = session.trace.graph
    parts = [*range(graph.n_heads), "mlp"]
    answers |= {f"{layer}.{part}": session.node(f"{layer}.{part}") for layer in range(graph.n_layers) for part in parts}
    return Recording(plain(state), answers)


def with_tokens(recording: Recording, tokens: list[str]) -> Recording:
    """Return the same with other token texts, of which there may be more: positions are then repeated."""
    view_state = recording.state["view_state"]
    n_tokens = view_state["n_tokens"]
    which = np.arange(len(tokens)) % n_tokens
    arrays = dict(view_state["arrays"])
    for name in ("strip_shares", "token_shares"):
        array = arrays[name]
        values = np.frombuffer(base64.b64decode(array["data"]), dtype=array["dtype"]).reshape(array["shape"])[
            ..., which
        ]
        arrays[name] = array | {"shape": list(values.shape), "data": _base64(np.ascontiguousarray(values).tobytes())}
    changed = view_state | {
        "tokens": tokens,
        "all_tokens": tokens,
        "prompt": "".join(tokens),
        "n_tokens": len(tokens),
        "position": len(tokens) - 1,
        "vocabulary": [tokens[i % len(tokens)] for i in range(len(view_state["vocabulary"]))],
        "arrays": arrays,
    }
    return Recording(recording.state | {"view_state": changed}, {})


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium that is on the PATH."""
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


def launched(playwright: Playwright, *, windows: bool = True) -> Browser:
    """Start the Chromium that is on the PATH; without windows its headless shell, where there is one."""
    path = chromium_path()
    assert path, NO_CHROMIUM
    if not windows:
        path = shutil.which("chromium-headless-shell") or path
    return playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def new_page(browser: Browser, *, toured: bool = True, **options: Any) -> Page:
    """Return an empty page, of somebody who has seen the Explorer's tour unless said otherwise."""
    page = browser.new_page(**options)
    if toured:
        page.add_init_script("try { localStorage.setItem('strace-widgets-tour', 'shown') } catch {}")
    return page


def open_page(browser: Browser, file: Path, **options: Any) -> tuple[Page, list[str]]:
    """Return the bare page, and the troubles in it: requests, errors, exceptions. It stays empty if all is well."""
    file.write_text(page_text(), encoding="utf-8")
    page = new_page(browser, **({"viewport": {"width": 1100, "height": 1100}} | options))
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(("blob:", file.as_uri())) else troubles.append(asked.url),
    )
    page.goto(file.as_uri())
    page.wait_for_function("window.ready")
    return page, troubles


def mount(page: Page, recording: Recording, *, shadow: bool = False, **changes: Any) -> Locator:
    """Draw one more Explorer at the end of the page."""
    return drawn(page, recording.state | changes, recording.answers, shadow=shadow)


def mount_live(page: Page, explorer: sw.Explorer) -> Locator:
    """Draw Python's own Explorer at the end of the page. Python works while Playwright waits for the page."""
    comm = PageComm()
    _instances.pop(explorer.model_id)  # known by its new comm alone
    explorer.comm = comm
    page.expose_function("toPython", comm.hear)
    page.expose_function("fromPython", comm.take)
    return drawn(page, plain(explorer.get_state()), None)


class PageComm(BaseComm):
    """The Python end of the bridge: what a widget says waits here until the page takes it."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        super().__init__()

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        del metadata
        if msg_type == "comm_msg" and data["method"] != "echo_update":
            _put_buffers(data.get("state", {}), data.get("buffer_paths", []), buffers or [])
            self.said.append(plain(data))

    def hear(self, data: Any) -> None:
        self.handle_msg({"content": {"data": data}, "buffers": []})

    def take(self) -> list[Any]:
        said, self.said = self.said, []
        return said


def plain(state: Any) -> Any:
    """Return a state as JSON has it, with bytes as base64 text, which the front end reads as well."""
    return json.loads(json.dumps(state, default=_base64))


def drawn(page: Page, state: Any, answers: Any, *, shadow: bool = False) -> Locator:
    page.evaluate("([state, answers, shadow]) => mount(state, answers, shadow)", [state, answers, shadow])
    explorer = page.get_by_test_id("strace-explorer").last
    expect(explorer.get_by_test_id("slider")).to_be_attached()
    return explorer


def axe(page: Page) -> list[str]:
    """Return what axe-core objects to, one line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))  # not as a script tag, which an exported page forbids
    return page.evaluate(
        """async () => (await axe.run(document)).violations.flatMap(({ id, nodes }) =>
             nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`))"""
    )
