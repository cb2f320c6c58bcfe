"""What the tests of the widget's Python side do with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import strace_widgets as sw
from strace_widgets.explorer.worker import worker
from strace_widgets.results import switching_off

VIEWS = (sw.SizeSlider, sw.CurveView, sw.FormingView, sw.GraphView, sw.TopKView, sw.LayerView, sw.TokenView)


def wait_until(condition: Callable[[], bool], changed: threading.Event, seconds: float = 20) -> None:
    """Wait for a condition, and look at it again each time that an event is set."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert changed.wait(max(0, deadline - time.monotonic())), "the widget did not answer"
        changed.clear()


def wait_for(explorer: sw.Explorer, condition: Callable[[], bool]) -> None:
    """Wait for a condition on an Explorer's traits, or on what follows them."""
    changed = threading.Event()

    def look(_: Any) -> None:
        changed.set()

    explorer.observe(look)
    try:
        wait_until(condition, changed)
    finally:
        explorer.unobserve(look)


def settled(explorer: sw.Explorer) -> dict[str, Any]:
    wait_for(explorer, lambda: explorer.status["state"] != "running")
    assert explorer.evaluation is not None
    return dict(explorer.evaluation)


@contextmanager
def busy_worker() -> Iterator[None]:
    """Keep the worker from what it is asked for."""
    free = threading.Event()
    worker.submit(free.wait)
    try:
        yield
    finally:
        free.set()


class Front:
    """Stands where a front end would: sends messages as a comm does, and collects what comes back."""

    def __init__(self, explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.explorer, self.answers = explorer, []
        self._heard = threading.Event()
        monkeypatch.setattr(explorer, "send", self._hear)

    def _hear(self, content: dict[str, Any], buffers: Any = None) -> None:
        del buffers
        self.answers.append(content)
        self._heard.set()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on the answers."""
        wait_until(condition, self._heard)

    def tell(self, **content: Any) -> None:
        """Send a message."""
        self.explorer._handle_custom_msg(content, [])

    def ask(self, kind: str, **payload: Any) -> dict[str, Any]:
        """Send a message, and return its answer."""
        request = f"{kind} {len(self.answers)}"
        self.tell(id=request, kind=kind, **payload)
        self.wait_for(lambda: any(answer["id"] == request for answer in self.answers))
        return next(answer for answer in self.answers if answer["id"] == request)


def settings(explorer: sw.Explorer, **changes: Any) -> dict[str, Any]:
    return {key: explorer.view_state[key] for key in ("prompt", "importance", "masks", "position")} | changes


class Gate:
    """Holds each round of levels back until it is let through; evaluations of one size pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes = threading.Semaphore(0)
        self.reason: Exception | None = None
        honest = sw.STrace.evaluate

        def evaluate(trace: sw.STrace, sizes: Any, *args: Any, **modes: Any) -> Any:
            if len(sizes) > 1:
                assert self.passes.acquire(timeout=20)
                if self.reason:
                    raise self.reason
            return honest(trace, sizes, *args, **modes)

        monkeypatch.setattr(sw.STrace, "evaluate", evaluate)

    def let_through(self, n_rounds: int = 1) -> None:
        self.passes.release(n_rounds)


class BatchGate:
    """Holds each batch of effects back until it is let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes, self.begun = threading.Semaphore(0), threading.Semaphore(0)
        self.reason: Exception | None = None
        honest = switching_off._logits

        def logits(*args: Any) -> Any:
            self.begun.release()
            assert self.passes.acquire(timeout=20)
            if self.reason:
                raise self.reason
            return honest(*args)

        monkeypatch.setattr(switching_off, "_logits", logits)

    def let_through(self, n_batches: int = 1) -> None:
        self.passes.release(n_batches)
