"""What the tests of the widget's Python side do with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import strace_widgets as sw


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the widget did not answer"
        time.sleep(0.01)


def settled(explorer: sw.Explorer) -> dict[str, Any]:
    wait_for(lambda: explorer.status["state"] != "running")
    assert explorer.evaluation is not None
    return dict(explorer.evaluation)


class Front:
    """Stands where a front end would: sends messages as a comm does, and collects what comes back."""

    def __init__(self, explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.explorer, self.answers = explorer, []
        monkeypatch.setattr(explorer, "send", lambda content, buffers=None: self.answers.append(content))  # noqa: ARG005

    def ask(self, kind: str, **payload: Any) -> dict[str, Any]:
        request = {"id": f"{kind} {len(self.answers)}", "kind": kind, **payload}
        self.explorer._handle_custom_msg(request, [])
        wait_for(lambda: any(answer["id"] == request["id"] for answer in self.answers))
        return next(answer for answer in self.answers if answer["id"] == request["id"])


def settings(explorer: sw.Explorer, **changes: Any) -> dict[str, Any]:
    return {key: explorer.view_state[key] for key in ("prompt", "importance", "masks", "position")} | changes
