"""Whose turn it is to run a module: a run of ours and the user's own calls, from other threads, one after the other.

A run rewires the module and sets its modes, so a call beside it would fail, or say what a subgraph says.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch._dynamo import OptimizedModule

from .interrupts import handle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_LOCKS: WeakKeyDictionary[Any, threading.RLock] = WeakKeyDictionary()
_GUARD = threading.Lock()

_CALL = torch.nn.Module._wrapped_call_impl.__code__  # noqa: SLF001 - what every call of a module goes through

_CALLED = "_compiled_call_impl"
"""What a module is called by instead of its own way, if it is set, as ``torch.nn.Module.compile`` does."""

_WAITING: set[int] = set()
"""Threads whose call of a module has begun, and waits for a run before it does anything."""

_PAUSE = 0.002
"""Seconds between two looks whether a call is over."""


class _Waiting(partial[Any]):
    """A call of a module that waits for a run."""


def is_compiled(part: Any) -> bool:
    """Tell whether torch.compile has been at a module."""
    called = getattr(part, _CALLED, None)
    return isinstance(part, OptimizedModule) or not (called is None or isinstance(called, _Waiting))


def lock_of(module: Any) -> threading.RLock:
    """Return what whoever runs a module, or looks into it, holds meanwhile: one lock, however many models wrap it.

    Parameters
    ----------
    module : torch.nn.Module
    """
    with _GUARD:
        return _LOCKS.setdefault(module, threading.RLock())


@contextmanager
def alone(module: Any, parts: list[Any]) -> Iterator[None]:
    """Let calls of a module from other threads end, and let new ones wait; whoever enters holds the module's lock.

    Nothing stays on the module between runs. A call is found by its frame, which is gone however it ends.

    Parameters
    ----------
    module : torch.nn.Module
    parts : list of torch.nn.Module
        All modules inside it, itself included.
    """
    runner, lock = threading.get_ident(), lock_of(module)

    def entered() -> None:
        caller = threading.get_ident()
        if caller == runner:
            handle()
        elif not torch.compiler.is_compiling():
            try:
                _WAITING.add(caller)
                with lock:
                    _WAITING.discard(caller)  # while it has the lock, nobody looks
            finally:
                _WAITING.discard(caller)

    given = [part.__dict__.get(_CALLED) for part in parts]
    try:
        for part, compiled in zip(parts, given, strict=True):
            part.__dict__[_CALLED] = _Waiting(_after, entered, compiled or part._call_impl)  # noqa: SLF001
        known = set(map(id, parts))
        while _is_called(known, runner):
            handle()
            time.sleep(_PAUSE)
        yield
    finally:
        for part, compiled in zip(parts, given, strict=True):
            part.__dict__.pop(_CALLED, None)
            if compiled:
                part.__dict__[_CALLED] = compiled


def _after(entered: Callable[[], None], call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a module once it may be called. A hook would come too late: those of a run are collected before it waits."""
    entered()
    return call(*args, **options)


def _is_called(parts: set[int], runner: int) -> bool:
    """Tell whether another thread is in the middle of running one of these modules."""
    return any(
        thread != runner and thread not in _WAITING and not _waits_for_a_run(frame) and _runs(frame, parts)
        for thread, frame in sys._current_frames().items()  # noqa: SLF001 - public but for its name
    )


def _waits_for_a_run(frame: FrameType) -> bool:
    """Tell whether a thread is about to ask for a run itself, from inside a call (a hook of the user's, say)."""
    return str(frame.f_globals.get("__name__", "")).startswith("strace_widgets.model.model")


def _runs(frame: FrameType | None, parts: set[int]) -> bool:
    while frame is not None:
        if frame.f_code is _CALL and id(frame.f_locals.get("self")) in parts:
            return True
        frame = frame.f_back
    return False
