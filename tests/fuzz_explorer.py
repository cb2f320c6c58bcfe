"""What a browser sends to an Explorer, as an input: a message, or a state of its traits; see `fuzz_targets.py`."""

from __future__ import annotations

import json
import threading
from functools import cache
from typing import Any

from explorer_steps import settings, settled, wait_until
from fuzz_targets import MOST_BYTES, Kind, encoded, loads, of_json, trace

import strace_widgets as sw
from strace_widgets.explorer.contract import DEFAULTS


class Heard:
    """An Explorer without a browser, and what it says."""

    def __init__(self) -> None:
        self.explorer = sw.Explorer(trace())
        self.answers: list[dict[str, Any]] = []
        self._said = threading.Event()
        self.explorer.send = self._hear
        self.view = sw.SizeSlider(self.explorer)
        settled(self.explorer)

    def _hear(self, content: dict[str, Any], buffers: Any = None) -> None:
        del buffers
        self.answers.append(content)
        self._said.set()

    def ask(self, content: Any) -> dict[str, Any]:
        """Send a message, and return its one answer."""
        self.answers.clear()
        self.explorer._handle_custom_msg(content, [])
        wait_until(lambda: bool(self.answers), self._said, 60)
        settled(self.explorer)
        assert len(self.answers) == 1
        return self.answers[0]

    def check(self) -> None:
        """What is on screen belongs together, and can be said to a browser."""
        explorer, shown = self.explorer, settled(self.explorer)
        assert (shown["n_edges"], shown["toggles"]) == (explorer.n_edges, explorer.toggles)
        assert (self.view.n_edges, self.view.size) == (explorer.n_edges, explorer.size)
        assert self.view.toggles == explorer.toggles
        assert explorer.view_state["n_edges"] == explorer.trace.n_edges
        assert explorer.trace.parsed(explorer.toggles).plain() == explorer.toggles
        json.dumps(explorer.get_state(), default=lambda held: len(bytes(held)), allow_nan=False).encode()


OTHER = "w5 w18 w3 w88 w41 w2"


@cache
def heard() -> Heard:
    return Heard()


def close() -> None:
    """Close the Explorer, if there is one."""
    if heard.cache_info().currsize:
        heard().explorer.close()
        heard.cache_clear()


def good_messages() -> list[Any]:
    asked = settings(heard().explorer)
    return [
        {
            "kind": "trace",
            "settings": asked,
            "n_edges": 40,
            "toggles": {"1.2": "off"},
            "counterfactual": "w5 w18 w3 w88 w41 w2",
        },
        {"kind": "compare", "names": ["l2", "inverse"]},
        {"kind": "why", "n_edges": [10, 20]},
        {"kind": "inside", "node": "1.2"},
        {"kind": "node", "node": "1.2"},
        {"kind": "refine", "passes": 5},
        {"kind": "code", "of": 1},
        {"kind": "cancel"},
        {"kind": "hello"},
        {"kind": "evaluate"},
        {"kind": "levels"},
        {"kind": "effects"},
        {"kind": "nonsense", "x": 1},
    ]


def read_message(data: bytes) -> None:
    content = loads(data)
    if isinstance(content, dict) and content.get("kind") == "refine" and _number(content.get("passes")) > 20:
        return  # it takes as long as it is told to
    answer = heard().ask(content)
    assert answer["ok"] or answer["error"]
    encoded(answer)
    heard().check()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and abs(value) < MOST_BYTES else 100.0


STATE: dict[str, Any] = {
    "n_edges": 40,
    "toggles": {"1.2": "off"},
    "shade": "effect",
    "groups": [{"name": "a", "colour": "blue", "members": ["1.2"]}],
    "note": "x",
    "history": {"version": 2, "steps": [], "at": -1, "tried": []},
    "size": 0.5,
}


def read_state(data: bytes) -> None:
    """Take a state, as an Explorer's or as a view's; what cannot be is said, and changes nothing."""
    state = loads(data)
    if not isinstance(state, dict):
        return  # no comm brings another one
    for widget in (heard().explorer, heard().view):
        take(widget, state)
        heard().check()


def take(widget: Any, state: dict[str, Any]) -> None:
    explorer = heard().explorer
    explorer.status = DEFAULTS["status"]
    before = synced(widget)
    widget.set_state(state)
    if explorer.status["state"] == "error":
        assert explorer.status["message"]
        assert synced(widget) == before
        explorer.status = DEFAULTS["status"]


def synced(widget: Any) -> dict[str, Any]:
    return {name: getattr(widget, name) for name in widget.keys if name not in ("status", "layout")}


EXPLORER_KINDS: dict[str, Kind] = {
    "message": Kind(lambda: [encoded(each) for each in good_messages()], read_message),
    "state": Kind(of_json(STATE, *({name: value} for name, value in STATE.items()), DEFAULTS), read_state),
}
