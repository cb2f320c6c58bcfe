"""The one thread on which widgets run the model, and the event loop to which its results go back.

nnsight keeps a trace on one thread, so all widgets share one worker. Traits are set on the kernel's thread, where the
widget messages are handled, never on the worker.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from IPython import get_ipython

worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="strace-worker")

Post = Callable[[Callable[[], None]], None]


class BokehDocument:
    """The queue of a Bokeh document, which is what Panel shows; what is sent to it has to be sent from there.

    Parameters
    ----------
    document : bokeh.document.Document
    """

    def __init__(self, document: Any) -> None:
        self._document = document

    def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
        """Run a function in the document's turn; may be called from any thread."""
        self._document.add_next_tick_callback(call)


Loop = asyncio.AbstractEventLoop | BokehDocument
"""Where results can be sent back to."""


def kernel_loop() -> Loop | None:
    """Return the event loop that handles the widget messages: IPython's kernel's, a document's, or the present task's.

    Elsewhere (a script, or code that a loop's plain callback calls) there is none, and the answer is None. A loop is
    not taken for the kernel's merely because this thread has one: without a task nobody says that it goes on running.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    loop: asyncio.AbstractEventLoop | None = getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
    if loop is not None:
        return loop
    bokeh = sys.modules.get("bokeh.io")
    document = bokeh.curdoc() if bokeh else None
    if document is not None and document.session_context:
        return BokehDocument(document)
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs on this thread
        return None
    return task.get_loop() if task else None


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
