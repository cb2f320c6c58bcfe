"""Requests that take a while: run on the worker, given up when asked to, answered on the kernel's thread.

Nothing here knows of a widget or of a session: the work and what is done with its result are functions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import CancelledError
from ..remote.stages import Stage, listening
from .worker import kernel_loop, post_to, worker

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Executor

from .worker import Loop, Post

CANCELLED = "Cancelled: everything is as it was."
STOPPED = "No longer waiting: the job may still finish on the server, but its answer is dropped."

Progress = Callable[[str, float], None]
"""Takes the step that now begins, and how far the work is, 0 to 1. It raises once the request is given up."""


class SupersededError(CancelledError):
    """A newer request of the same kind takes the place of this one."""


@dataclass(eq=False)
class Request:
    """One request: its work, and what follows on the kernel's thread.

    Attributes
    ----------
    work : callable
        Takes a `Progress`, returns the result. Runs on the worker.
    done, failed : callable
        Exactly one of them is called on the kernel's thread, with the result or with the exception.
    post : callable
        Runs a function on the kernel's thread.
    given_up : CancelledError or None
        Why the result is not wanted any more.
    waits : bool
        Whether a job on a server may still be waited for.
    job : dict
        The last stage of a job on a server that was told: see `RequestRunner`.
    """

    work: Callable[[Progress], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    post: Post
    given_up: CancelledError | None = None
    waits: bool = True
    job: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise if the request was given up."""
        if self.given_up:
            raise self.given_up

    def reason(self, error: Exception) -> Exception:
        """Return why the request has no result, given the error that ended its work."""
        if isinstance(self.given_up, SupersededError):
            return self.given_up
        return error if isinstance(error, CancelledError) else self.given_up or error


class RequestRunner:
    """Runs requests on the worker, one after the other. Of each kind only the newest one gets an answer.

    Parameters
    ----------
    on_progress : callable
        Is told each step of a request's work, on the kernel's thread: its name, and a number from 0 to 1.
    on_job : callable
        Is told each new stage of a job on a server, on the kernel's thread: ``{"stage": str, "description": str,
        "since": float}``, where ``since`` is the time at which the stage began, in seconds since 1970.
    loop : asyncio.AbstractEventLoop, optional
        The loop of the kernel's thread. Without it, the loop that handles widget messages is looked for at each
        request (see `strace_widgets.explorer.worker.kernel_loop`); where there is none, as in a script, the worker
        calls back itself.
    executor : concurrent.futures.Executor
        Where the work runs; one thread that all widgets share, unless given.

    Attributes
    ----------
    turn : threading.RLock
        Is held while an answer is shown, and by whoever asks: messages may be handled on another thread than cells
        (IPython's subshells), and without a loop answers come on the worker's.
    """

    def __init__(
        self,
        on_progress: Progress,
        on_job: Callable[[dict[str, Any]], None],
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        executor: Executor = worker,
    ) -> None:
        self._on_progress, self._on_job = on_progress, on_job
        self._given_loop = loop
        self._loop: Loop | None = loop
        self._executor = executor
        self._newest: dict[str, Request] = {}
        self.turn = threading.RLock()

    def run(
        self,
        kind: str,
        work: Callable[[Progress], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Run work when its turn comes; an earlier request of this kind is given up.

        Parameters
        ----------
        kind : str
        work, done, failed : callable
            As in `Request`. ``failed`` gets a `CancelledError` when the request was given up, which is a
            `SupersededError` when a newer one took its place; and what ``done`` raises.
        """
        if self._given_loop is None:
            # The callback of an earlier request is no task: what it asks for goes back to the same loop.
            self._loop = kernel_loop() or self._loop
        request = Request(work, done, failed, post_to(self._loop))
        with self.turn:
            earlier = self._newest.get(kind)
            self._newest[kind] = request
        if earlier:
            earlier.given_up = SupersededError(CANCELLED)
        self._executor.submit(self._work, request)

    def cancel(self, *kinds: str) -> None:
        """Give up the requests of these kinds, or all, whether they wait, run or are about to be answered."""
        for request in self._requests(kinds):
            request.given_up = request.given_up or CancelledError(CANCELLED)

    def stop_waiting(self, *kinds: str) -> None:
        """Give up the requests of these kinds only where they wait for a job on a server; else they go on."""
        for request in self._requests(kinds):
            request.waits = False

    @property
    def state(self) -> str:
        """``"running"`` while an answer is still to come, else ``"ready"``."""
        return "running" if any(not request.given_up for request in self._requests(())) else "ready"

    def _requests(self, kinds: tuple[str, ...]) -> list[Request]:
        with self.turn:
            return [request for kind, request in self._newest.items() if not kinds or kind in kinds]

    # On the worker.

    def _work(self, request: Request) -> None:
        try:
            request.check()
            with listening(partial(self._hear, request)):
                result = request.work(partial(self._progress, request))
        except Exception as error:  # noqa: BLE001 - whatever fails in a model belongs on screen
            request.post(partial(self._fail, request, error))
        else:
            request.post(partial(self._finish, request, result))

    def _progress(self, request: Request, step: str, share: float) -> None:
        request.check()
        request.post(partial(self._tell, request, self._on_progress, step, share))

    def _hear(self, request: Request, stage: Stage) -> None:
        """Pass on a new stage of a job; to give up a job is to stop waiting for it."""
        if request.given_up or not request.waits:
            raise CancelledError(STOPPED)
        before = request.job
        if stage.name == "error" or (stage.name, stage.description) == (before.get("stage"), before.get("description")):
            return  # an error is told by what it raises
        since = before["since"] if before.get("stage") == stage.name else time.time()
        request.job = {"stage": stage.name, "description": stage.description, "since": since}
        request.post(partial(self._tell, request, self._on_job, request.job))

    # On the kernel's thread.

    def _tell(self, request: Request, listener: Callable[..., None], *news: Any) -> None:
        if not request.given_up:
            listener(*news)

    def _finish(self, request: Request, result: Any) -> None:
        with self.turn:
            try:
                request.check()
                self._forget(request)  # first: what shows the result says whether another is to come
                request.done(result)
            except Exception as error:  # noqa: BLE001 - what fails while a result is shown belongs on screen as well
                self._fail(request, error)

    def _fail(self, request: Request, error: Exception) -> None:
        with self.turn:
            self._forget(request)
            request.failed(request.reason(error))

    def _forget(self, request: Request) -> None:
        with self.turn:
            for kind in [kind for kind, newest in self._newest.items() if newest is request]:
                del self._newest[kind]
