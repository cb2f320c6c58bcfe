"""The one thread on which widgets run the model, and the way back to the kernel's own.

nnsight keeps a trace on one thread, so all widgets share one worker. Traits are set on the kernel's event loop, where
the widget messages are handled, never on the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="strace-worker")

Post = Callable[[Callable[[], None]], None]


def post_to_kernel() -> Post:
    """Return a function that runs a callable on the present event loop, or at once where there is none (a script)."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return lambda call: call()

    def post(call: Callable[[], None]) -> None:
        if loop.is_closed():
            call()
        else:
            loop.call_soon_threadsafe(call)

    return post


def last_line(error: Exception) -> str:
    """Return the line of an error that says most: nnsight and torch put the cause last."""
    lines = str(error).strip().splitlines()
    return f"{lines[-1]} ({type(error).__name__})" if lines else type(error).__name__
