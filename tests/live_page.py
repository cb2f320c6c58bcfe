"""A bare page around the built bundle, and a kernel in it that answers from what Python recorded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Locator, Page, expect

from strace_widgets.export import NOTHING_TRIED, STATIC, _base64
from strace_widgets.session import Session

AXE = Path(__file__).parent.parent / "js" / "node_modules" / "axe-core" / "axe.min.js"

# A kernel as the front end sees one: traits, messages, and the newest request answered a moment later.
KERNEL = """
const source = document.querySelector("#bundle").textContent;
const { default: explorer } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));

function fakeKernel(state, answers) {
  const traits = structuredClone(state);
  const listeners = new Map();
  const saved = [];
  let asked = null;
  const tell = (event, ...about) => [...(listeners.get(event) ?? [])].forEach((listener) => listener(...about));
  const set = (name, value) => { traits[name] = value; tell(`change:${name}`); };
  const request = () => JSON.stringify([traits.n_edges, Object.entries(traits.toggles).sort()]);
  const evaluate = () => {
    const key = request();
    if (key === asked) return;
    asked = key;
    saved.push([traits.n_edges, traits.toggles]);
    set("status", { state: "running", message: "", progress: 0 });
    setTimeout(() => {
      if (request() !== key) return;
      if (answers[key]) set("evaluation", structuredClone(answers[key]));
      set("status", { state: "ready", message: "", progress: 0 });
    }, 5);
  };
  return {
    saved,
    get: (name) => traits[name],
    set,
    on: (event, listener) => listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)),
    off: (event, listener) => listeners.get(event)?.delete(listener),
    listeners: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
    save_changes: evaluate,
    send: ({ id, kind }) => setTimeout(() => tell("msg:custom", { id, kind, ok: true }, [])),
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
  const model = fakeKernel(state, answers);
  const unmount = explorer.render({ model, el });
  mounted.push({ model, unmount: () => { unmount(); outer.remove(); } });
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
<script type="module">{KERNEL}</script></html>"""


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
    state = NOTHING_TRIED | {"bundle": session.bundle(), "n_edges": session.start_size(), "live": True}
    answers = {request(*asked): session.evaluate(*asked) for asked in requests}
    return Recording(json.loads(json.dumps(state, default=_base64)), answers)


def with_tokens(recording: Recording, tokens: list[str]) -> Recording:
    """Return the same with other token texts, of which there may be more: positions are then repeated."""
    bundle = recording.state["bundle"]
    n_tokens = bundle["n_tokens"]
    which = np.arange(len(tokens)) % n_tokens
    arrays = dict(bundle["arrays"])
    for name in ("position_edges", "position_total", "mlp_weight", "mlp_rank"):
        array = arrays[name]
        values = np.frombuffer(base64.b64decode(array["data"]), dtype=array["dtype"]).reshape(array["shape"])[
            ..., which
        ]
        arrays[name] = array | {"shape": list(values.shape), "data": _base64(np.ascontiguousarray(values).tobytes())}
    changed = bundle | {
        "tokens": tokens,
        "all_tokens": tokens,
        "prompt": "".join(tokens),
        "n_tokens": len(tokens),
        "position": len(tokens) - 1,
        "vocabulary": [tokens[i % len(tokens)] for i in range(len(bundle["vocabulary"]))],
        "arrays": arrays,
    }
    return Recording(recording.state | {"bundle": changed}, {})


def open_page(browser: Browser, file: Path, **options: Any) -> tuple[Page, list[str]]:
    """Return the bare page, and the troubles in it: requests, errors, exceptions. It stays empty if all is well."""
    file.write_text(page_text(), encoding="utf-8")
    page = browser.new_page(**({"viewport": {"width": 1100, "height": 1100}} | options))
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
    page.evaluate(
        "([state, answers, shadow]) => mount(state, answers, shadow)",
        [recording.state | changes, recording.answers, shadow],
    )
    explorer = page.get_by_test_id("strace-explorer").last
    expect(explorer.get_by_test_id("slider")).to_be_attached()
    return explorer


def axe(page: Page) -> list[str]:
    """Return what axe-core objects to, one line each."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    return page.evaluate(
        """async () => (await axe.run(document)).violations.flatMap(({ id, nodes }) =>
             nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`))"""
    )
