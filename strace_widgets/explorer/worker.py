"""The one thread on which widgets run the model, and the event loop to which its results go back.

nnsight keeps a trace on one thread, so all widgets share one worker. Traits are set on the kernel's thread, where the
widget messages are handled, never on the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from IPython import get_ipython

worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="strace-worker")

Post = Callable[[Callable[[], None]], None]


def kernel_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that handles the widget messages: IPython's kernel's, or that of the present task.

    Elsewhere (a script, or code that a loop's plain callback calls) there is none, and the answer is None. A loop is
    not taken for the kernel's merely because this thread has one: without a task nobody says that it goes on running.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    loop: asyncio.AbstractEventLoop | None = getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
    if loop is not None:
        return loop
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs on this thread
        return None
    return task.get_loop() if task else None


def post_to(loop: asyncio.AbstractEventLoop | None) -> Post:
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
