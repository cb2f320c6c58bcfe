"""Interrupts wait while a module is run: they come between two calls of its parts, or once it is as it was.

Python lets Ctrl-C come between any two of its steps: after a hook is registered and before anybody knows how to remove
it, say, or while hooks are removed. What stays of them would make every later number wrong.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGALRM", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF", "SIGBREAK")
    if hasattr(signal, name)
]
"""What a program may have a handler for that raises: Ctrl-C, and the timers of those who limit a call's time."""

PATIENCE = 10.0
"""Seconds after which one more signal is handled wherever it comes: then the run hangs."""


@dataclass(eq=False)
class Waiting:
    """Signals that wait.

    Attributes
    ----------
    handlers : dict
        By signal, who is told once it has waited.
    came : list of tuple
        Each signal that waits, where it came, and when, in seconds.
    over : bool
        Whether signals wait no longer: the handlers are back, or one that raised has kept some from it.
    """

    handlers: dict[int, Callable[[int, FrameType | None], Any]] = field(default_factory=dict)
    came: list[tuple[int, FrameType | None, float]] = field(default_factory=list)
    over: bool = False

    def wait(self, number: int, frame: FrameType | None) -> None:
        """Stand for the handler of a signal."""
        now = time.monotonic()
        self.came.append((number, frame, now))
        if self.over or now - self.came[0][2] > PATIENCE:
            self.handle()

    def handle(self) -> None:
        """Call the handlers of what came, which may raise."""
        while self.came:
            number, frame, _ = self.came.pop(0)
            self.handlers[number](number, frame)


_NOW: list[Waiting] = []
"""What waits now, if a module is run on the main thread, the only one on which Python handles signals."""


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals wait for `handle`, and for the end of the block."""
    if _NOW or not _on_the_main_thread():
        yield
        return
    waiting = Waiting()
    try:
        _NOW.append(waiting)
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                waiting.handlers[number] = handler
                try:
                    signal.signal(number, waiting.wait)
                except ValueError:  # a program that embeds Python may have another main thread: signals come there
                    break
        yield
    finally:
        _NOW.clear()
        try:
            for number, handler in reversed(waiting.handlers.items()):  # Ctrl-C last: it keeps none from being put back
                if signal.getsignal(number) == waiting.wait:
                    signal.signal(number, handler)
        finally:
            waiting.over = True
        waiting.handle()


def handle() -> None:
    """Handle what came meanwhile: here, the module can be left."""
    if _NOW and _on_the_main_thread():  # else another thread runs a module as well
        _NOW[0].handle()


def _on_the_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
