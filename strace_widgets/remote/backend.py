"""One job on an NDIF server: serialised by nnsight, posted, followed through its stages, and its answer fetched."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import httpx
import torch
import zstandard
from nnsight.intervention.backends.remote import RemoteBackend
from nnsight.schema.request import RequestModel

from ..errors import RemoteError, RemoteTimeoutError, ResultLostError, ServerLostError, ServerUnreachableError
from .failures import failed, last_line
from .key import scrubbed
from .stages import Stage, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import Server

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two questions for a job's stage."""
SLACK_SHARE, SLACK = 1.1, 1 << 24
"""What an answer may have beyond `Server.limit`, which is about its numbers: a share, and bytes, for the packing."""
PIECE = 1 << 20
"""Bytes that are unpacked at a time."""


class JobBackend(RemoteBackend):  # type: ignore[misc]
    """How nnsight is to run a trace: as a job on a server, waited for, or only sent.

    nnsight's own backend waits on a socket, whose job is lost with it, and prints; this one asks for the stage.

    Attributes
    ----------
    job_id : str
        Once it was sent.
    """

    def __init__(self, server: Server, model: Any, model_name: str, *, wait: bool = True) -> None:
        super().__init__(model.to_model_key(), host=server.url, env=model._remoteable_get_env(), blocking=False)
        self.api_key = ""  # nnsight would keep its own here; `Server` looks the key up when it asks
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
            # Nothing changes on the server by running it, so run it again; a second loss is an error.
            self.job_id = self.send(blob)
            result = collect(self.server, self.job_id, self.model_name)
        self._push(result, tracer)
        return result

    def send(self, blob: bytes) -> str:
        """Post the serialised block; return the job's id."""
        envelope = RequestModel(model_key=self.model_key, compress=self.compress, env=self.env)
        return self.server.post(envelope.metadata(), blob)


def stage_of(server: Server, job_id: str) -> tuple[Stage | None, Any]:
    """Return where a job is (None if the server has not said yet), and the address of its answer once it has one."""
    response = server.get(f"/response/{job_id}")
    if response.status_code == httpx.codes.NOT_FOUND:
        return None, None
    content = server.read(response, "status")
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
    clock, pause = server.clock, FIRST_PAUSE
    started = clock.now()
    for stage, address in _follow(server, job_id):
        tell(stage)
        if stage.name == "completed":
            return _fetch(server, job_id, address)
        if stage.name == "error":
            raise failed(server, stage.description, model_name)
        if clock.now() - started > timeout:
            raise RemoteTimeoutError(
                f"Job {job_id} on {server.url} is still {stage.name} after {timeout:.0f} s. {stage.description} Wait "
                "longer with a larger timeout, or submit it and collect it later."
            )
        clock.sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE)
    raise AssertionError  # a job is followed until it ends


def _follow(server: Server, job_id: str) -> Iterator[tuple[Stage, Any]]:
    """Yield a job's stage each time it is asked for, and the address of its answer once it has one."""
    received = Stage("received", job_id=job_id)
    last, address, heard = received, None, server.clock.now()
    while True:
        yield last, address
        try:
            stage, address = stage_of(server, job_id)
            silent = server.clock.now() - heard > server.patience
            if stage is None and (silent or last != received):
                raise ResultLostError(f"The server {server.url} knows nothing of job {job_id} any more. Send it again.")
            if silent and stage == last:
                # The stage lies in a store that may outlive the queue behind it: ask whether that still runs.
                server.get("/connected")
        except ServerUnreachableError as reason:
            raise ServerLostError(
                f"The server {server.url} stopped answering while job {job_id} was {last.name}. What you have is "
                f"untouched. Try again when it is back. ({last_line(reason.text)})",
                reason.text,
            ) from None
        if silent or stage not in {last, None}:
            heard = server.clock.now()
        last = stage or last


def _fetch(server: Server, job_id: str, address: Any) -> dict[str, Any]:
    """Return a job's answer. Tensors and plain data only: nothing in it is ever run."""
    most = int(SLACK_SHARE * server.limit) + SLACK
    try:
        if not str(address).startswith(("http://", "https://")):
            raise httpx.UnsupportedProtocol("it has no address")
        content = server.download(str(address), most)
    except (httpx.HTTPError, httpx.InvalidURL) as reason:
        # The address carries a signature, so it is not repeated.
        raise ResultLostError(
            f"Job {job_id} is done, but {server.url} no longer has its result ({type(reason).__name__}). Send it again."
        ) from None
    try:
        if content.startswith(zstandard.FRAME_HEADER):
            content = unpacked(content, most)
        refuse_claims(content, most)
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found):
            raise TypeError(f"a {type(found).__name__}")  # noqa: TRY301
        refuse_empty_shells(found, most)
    except Exception as reason:  # noqa: BLE001 - bytes that are no answer fail in as many ways as there are bytes
        # torch's own advice, to load it with weights_only=False, is none to pass on: it would run what came.
        raise RemoteError(
            f"The answer of job {job_id} on {server.url} could not be read ({type(reason).__name__}): it is cut off, "
            "larger than its limit, or more than tensors and plain data. Nothing in it was run. Send it again.",
            str(reason),
        ) from None
    return found


def unpacked(content: bytes, most: int) -> bytes:
    """Return what zstd has packed, unless it is more than may be.

    Raises
    ------
    ValueError
    """
    found = bytearray()
    with zstandard.ZstdDecompressor().stream_reader(content) as stream:
        while piece := stream.read(PIECE):
            found += piece
            if len(found) > most:
                raise ValueError(f"more than {most:,} bytes")
    return bytes(found)


def refuse_claims(content: bytes, most: int) -> None:
    """Refuse what torch has not saved as it does today, or was altered since, or claims more bytes than may be.

    Torch makes room for what is claimed before it reads.

    Raises
    ------
    ValueError, zipfile.BadZipFile
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("compressed members")
        if sum(entry.file_size for entry in entries) > most:
            raise ValueError(f"more than {most:,} bytes")
        if altered := archive.testzip():  # torch does not look
            raise ValueError(f"the checksum of {altered!r} is another")


def refuse_empty_shells(found: dict[str, Any], most: int) -> None:
    """Refuse tensors that claim values which did not come, such as sparse ones: whoever uses them makes room.

    Raises
    ------
    ValueError
    """
    waiting: list[Any] = [found]
    n_bytes, seen = 0, set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:  # what holds itself has no end
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided or value.device.type != "cpu":
                raise ValueError(f"a tensor that is {value.layout} on {value.device}")
            n_bytes += value.numel() * value.element_size()
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
    if n_bytes > most:
        raise ValueError(f"tensors of more than {most:,} bytes")
