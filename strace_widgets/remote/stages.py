"""Where a job on a server is, and who wants to know. Neither torch nor the network is needed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from ..waiting import say


class Stage(NamedTuple):
    """Where a job is.

    Attributes
    ----------
    name : str
        ``"received"``, ``"queued"``, ``"provisioning"``, ``"deploying"``, ``"dispatched"``, ``"running"``,
        ``"completed"`` or ``"error"``.
    description : str
        The server's words for it.
    job_id : str
        The server's name for the job.
    """

    name: str
    description: str = ""
    job_id: str = ""


Listener = Callable[[Stage], None]

# A model is used from several threads: a widget's worker hears of its own jobs, and a cell of its own.
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call a function with every stage of every job that this block waits for; what it raises ends the waiting."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(stage: Stage) -> None:
    """Call the function that listens on this thread, if there is one; say it to whoever waits."""
    say(f"the job on the server is {stage.name}")
    if listener := _listener.get():
        listener(stage)
