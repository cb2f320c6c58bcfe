"""One job on an NDIF server: serialised by nnsight, posted, followed through its stages, and its answer fetched."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx
import torch
import zstandard
from nnsight.intervention.backends.remote import RemoteBackend
from nnsight.schema.request import RequestModel

from ..errors import RemoteError, RemoteTimeoutError, ResultLostError, ServerLostError, ServerUnreachableError
from .server import FIRST_PAUSE, LONGEST_PAUSE, Server, Stage, api_key, last_line, scrubbed

Listener = Callable[[Stage], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have every stage of every job in this block told to a function; what that raises ends the waiting."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class JobBackend(RemoteBackend):  # type: ignore[misc]
    """How nnsight is to run a trace: as a job on a server, waited for, or only sent.

    nnsight's own backend waits on a socket, whose job is lost with it, and prints; this one asks for the stage.

    Attributes
    ----------
    job_id : str
        Once it was sent.
    """

    def __init__(self, server: Server, model: Any, model_name: str, *, wait: bool = True) -> None:
        super().__init__(
            model.to_model_key(), host=server.url, api_key=api_key(), env=model._remoteable_get_env(), blocking=False
        )
        self.display.enabled = False
        self.server, self.model_name, self.wait = server, model_name, wait

    def __call__(self, tracer: Any = None) -> Any:
        """Send the block; where the answer is waited for, put it in the caller's variables as a local run does."""
        blob = self._serialize(tracer)
        self.job_id = self.send(blob)
        if not self.wait:
            return None
        try:
            result = collect(self.server, self.job_id, self.model_name)
        except ResultLostError:
            # Nothing changes on the server by running it, so run it again; a second loss is told.
            self.job_id = self.send(blob)
            result = collect(self.server, self.job_id, self.model_name)
        self._push(result, tracer)
        return result

    def send(self, blob: bytes) -> str:
        """Post the serialised block; return the job's id."""
        envelope = RequestModel(model_key=self.model_key, compress=self.compress, env=self.env)
        return str(self.server.post(envelope.metadata(), blob)["id"])


def stage_of(server: Server, job_id: str) -> tuple[Stage | None, Any]:
    """Return where a job is, None if the server has not said yet, and where its answer lies."""
    response = server.get(f"/response/{job_id}")
    if response.status_code == httpx.codes.NOT_FOUND:
        return None, None
    content = response.json()
    description = scrubbed(str(content.get("description") or ""))
    return Stage(str(content["status"]).lower(), description, job_id), content.get("data")


def collect(server: Server, job_id: str, model_name: str, timeout: float | None = None) -> dict[str, Any]:
    """Wait for a job and return what it saved, by name, on this machine.

    Raises
    ------
    ServerLostError
        When the server stops answering, or loses its queue.
    RemoteTimeoutError
        After ``timeout`` seconds (by default the server's). The job may still finish.
    ResultLostError
        When there is no such job any more, or no result.
    RemoteError
        When the job failed; of the type that says why.
    """
    timeout = server.timeout if timeout is None else timeout
    started, pause = time.monotonic(), FIRST_PAUSE
    for stage, place in _follow(server, job_id):
        if listener := _listener.get():
            listener(stage)
        if stage.name == "completed":
            return _fetch(server, job_id, place)
        if stage.name == "error":
            raise server.failure(stage.description, model_name)
        if time.monotonic() - started > timeout:
            raise RemoteTimeoutError(
                f"Job {job_id} on {server.url} is still {stage.name} after {timeout:.0f} s. {stage.description} Wait "
                "longer with a larger timeout, or submit it and collect it later."
            )
        time.sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE)
    raise AssertionError  # a job is followed until it ends


def _follow(server: Server, job_id: str) -> Iterator[tuple[Stage, Any]]:
    """Yield a job's stage, each time it is asked for, and where its answer lies."""
    received = Stage("received", job_id=job_id)
    told, place, heard = received, None, time.monotonic()
    while True:
        yield told, place
        try:
            stage, place = stage_of(server, job_id)
            silent = time.monotonic() - heard > server.patience
            if stage is None and (silent or told != received):
                raise ResultLostError(f"The server {server.url} knows nothing of job {job_id} any more. Send it again.")
            if silent and stage == told:
                server.get("/connected")  # what was said last lies in a store that may outlive the queue behind it
        except ServerUnreachableError as reason:
            raise ServerLostError(
                f"The server {server.url} stopped answering while job {job_id} was {told.name}. What you have is "
                f"untouched. Try again when it is back. ({last_line(reason.text)})",
                reason.text,
            ) from None
        if silent or stage not in {told, None}:
            heard = time.monotonic()
        told = stage or told


def _fetch(server: Server, job_id: str, place: Any) -> dict[str, Any]:
    """Return an answer from where the server put it. Tensors and plain data only: nothing in it is ever run."""
    try:
        response = httpx.get(str(place), timeout=httpx.Timeout(30.0))
        response.raise_for_status()
    except httpx.HTTPError as reason:
        # The address carries a signature, so it is not repeated.
        raise ResultLostError(
            f"Job {job_id} is done, but {server.url} no longer has its result ({type(reason).__name__}). Send it again."
        ) from None
    server.traffic.bytes_down += len(response.content)
    try:
        content = response.content
        if content.startswith(zstandard.FRAME_HEADER):
            content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        found: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as reason:
        raise RemoteError(
            f"The answer of job {job_id} could not be read ({type(reason).__name__}: {reason}). Send it again."
        ) from reason
    return found
