"""The one thread on which widgets run the model, and the event loop to which its results go back.

nnsight keeps a trace on one thread, so all widgets share one worker. Traits are set on the kernel's thread, where the
widget messages are handled, never on the worker.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from IPython import get_ipython

worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="strace-worker")

Post = Callable[[Callable[[], None]], None]


class HostQueue(NamedTuple):
    """What stands for an event loop in a host whose widgets speak only at its time, or under its name."""

    call_soon_threadsafe: Callable[[Callable[[], None]], Any]


Loop = asyncio.AbstractEventLoop | HostQueue
"""Where results can be sent back to."""


def kernel_loop() -> Loop | None:
    """Return the event loop that handles the widget messages: IPython's kernel's, a host's, or the present task's.

    Elsewhere (a script, or code that a loop's plain callback calls) there is none, and the answer is None. A loop is
    not taken for the kernel's merely because this thread has one: without a task nobody says that it goes on running.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    loop: asyncio.AbstractEventLoop | None = getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
    if loop is not None:
        return loop
    host = _panel() or _solara()
    if host is not None:
        return host
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs on this thread
        return None
    return task.get_loop() if task else None


def _panel() -> HostQueue | None:
    """Return the queue of the Bokeh document that is being served, which is what Panel shows."""
    bokeh = sys.modules.get("bokeh.io")
    document = bokeh.curdoc() if bokeh else None
    return HostQueue(document.add_next_tick_callback) if document and document.session_context else None


def _solara() -> HostQueue | None:
    """Return what runs a function as a part of the Solara page that is being served."""
    contexts = sys.modules.get("solara.server.kernel_context")
    if contexts is None or not contexts.has_current_context():
        return None
    context = contexts.get_current_context()

    def run(call: Callable[[], None]) -> None:
        with context:
            call()

    return HostQueue(run)


def post_to(loop: Loop | None) -> Post:
    """Return a function that runs a callable on a loop; at once, on the calling thread, if there is none any more."""

    def post(call: Callable[[], None]) -> None:
        if loop is None:
            call()
            return
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:  # it was closed
            call()

    return post
