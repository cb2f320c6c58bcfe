"""What is being done, said to a person who waits longer than a second; nothing to pipes, files, and programs."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DELAY = 1.0
"""Seconds after which it is said: what takes no longer leaves no trace."""

EVERY = 0.5
"""Seconds until it is said again, with how long it has taken."""


@dataclass
class _Line:
    """What is said at the moment, and whether that is over."""

    text: str
    over: threading.Event = field(default_factory=threading.Event)


class _Place(Protocol):
    """Where a line is shown."""

    def show(self, text: str) -> None: ...
    def clear(self) -> None: ...


# One line at a time: what is called by what has one says its stages there.
_line: contextvars.ContextVar[_Line | None] = contextvars.ContextVar("line", default=None)


@contextmanager
def saying(stage: str) -> Iterator[None]:
    """Say what a block does, from its first stage on, as long as it runs.

    Parameters
    ----------
    stage : str
        Such as "capturing"; `say` tells of the next one.
    """
    if _line.get() is not None:
        say(stage)
        yield
        return
    line, place = _Line(stage), _place()
    token = _line.set(line)
    # What is displayed belongs to the cell that runs, of which the context knows.
    context = contextvars.copy_context()
    thread = place and threading.Thread(target=context.run, args=(_keep_saying, line, place), daemon=True)
    try:
        if thread:
            thread.start()
        yield
    finally:
        _line.reset(token)
        line.over.set()
        if thread:
            thread.join()


@contextmanager
def silent() -> Iterator[None]:
    """Say nothing in a block, where something else tells how far things are."""
    token = _line.set(_Line(""))
    try:
        yield
    finally:
        _line.reset(token)


def say(stage: str) -> None:
    """Say the next stage of what is done, where somebody listens."""
    if line := _line.get():
        line.text = stage


def amount(count: int, of: str) -> str:
    """Return "12,612 edges" or "2.2 M edges"."""
    return f"{count / 1e6:,.1f} M {of}" if count >= 1e6 else f"{count:,} {of}"  # noqa: PLR2004 - a million


def _keep_saying(line: _Line, open_place: Callable[[], _Place]) -> None:
    begun = time.monotonic()
    if line.over.wait(DELAY):
        return
    place = open_place()
    while True:
        place.show(f"{line.text} … {time.monotonic() - begun:.0f} s")
        if line.over.wait(EVERY):
            break
    place.clear()


def _place() -> Callable[[], _Place] | None:
    """Return what opens a line where a person looks; None where nobody does."""
    if threading.current_thread() is not threading.main_thread():
        return None  # a widget's worker: its status says what it does
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if kernel := getattr(shell, "kernel", None):
        # Whoever runs a notebook without a person, as nbconvert does, takes no questions either.
        return _InCell if getattr(kernel, "_allow_stdin", False) else None
    return _OnTerminal if sys.stderr is not None and sys.stderr.isatty() else None


class _InCell:
    """A line of a cell's output, which is empty in the end: a bar of tqdm would be stored as it was at first."""

    _handles: ClassVar[dict[int, Any]] = {}
    """Of the cell that has a line, by its number: the next line takes its place."""

    def __init__(self) -> None:
        self._cell: int = sys.modules["IPython"].get_ipython().execution_count

    def show(self, text: str) -> None:
        from IPython.display import display  # noqa: PLC0415 - there, since a kernel runs

        said = {"text/plain": text}
        if handle := self._handles.get(self._cell):
            handle.update(said, raw=True)
            return
        self._handles.clear()
        self._handles[self._cell] = display(said, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        self._handles[self._cell].update({"text/html": ""}, raw=True)


class _OnTerminal:
    """A line of standard error, which is gone in the end."""

    def __init__(self) -> None:
        from tqdm import tqdm  # noqa: PLC0415 - saved traces are shown without it

        self._bar = tqdm(bar_format="{desc}", leave=False)

    def show(self, text: str) -> None:
        self._bar.set_description_str(text)

    def clear(self) -> None:
        self._bar.close()
