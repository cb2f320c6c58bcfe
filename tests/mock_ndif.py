"""A server that the tests play: `httpx.MockTransport` asks it in place of the network.

It answers as ndif 0.1.2 does (its words are copied from there), and runs what it is sent on a tiny model of this
process, as the real one does: the request is deserialised against the model, executed, and what it saved is written
with `torch.save`. `tests/remote` holds the same against a real server.
"""

from __future__ import annotations

import io
import json
import linecache
import platform
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any

import httpx
import torch
import zstandard
from cloudpickle import cloudpickle
from nnsight.schema.request import RequestModel
from nnsight.tracing.tracer import _saves, dec, inc

from strace_widgets.remote.server import Clock

URL, STORE = "http://ndif.test", "http://store.test"
KEY = "0b1cd9ae-6a1e-4c9b-9d3a-2f7a4e5b6c7d"
RECEIVED = "Your job has been received and is waiting to be queued."
QUEUED = "Added to Queue at position 1."
COMPLETED = "Your job has been completed."

Answer = Callable[[httpx.Request], httpx.Response | None]


@dataclass
class PassingTime:
    """A clock that passes when somebody sleeps, and not otherwise."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.sleep)


@dataclass
class MockNDIF:
    """One server: what it was asked, which jobs it has, and what lies in its store.

    Attributes
    ----------
    model : nnsight model
        Runs the requests.
    name : str
        The hub id under which it is served.
    stages : tuple of (status, description)
        What a job goes through between the sending and its end, one for each time that it is asked for.
    failure : str or None
        What a job ends with, in place of a result.
    before : list of callable
        Asked first; what one answers is the answer. It may also raise one of httpx's errors.
    at : str
        The address of the store.
    """

    model: Any
    name: str
    stages: tuple[tuple[str, str], ...] = (("QUEUED", QUEUED), ("RUNNING", "Your job has started running."))
    failure: str | None = None
    before: list[Answer] = field(default_factory=list)
    at: str = STORE
    packages: dict[str, str] = field(
        default_factory=lambda: {name: version(name) for name in ("nnsight", "transformers", "torch")}
    )
    asked: list[httpx.Request] = field(default_factory=list)
    jobs: dict[str, Iterator[dict[str, Any]]] = field(default_factory=dict)
    store: dict[str, bytes] = field(default_factory=dict)

    @property
    def client(self) -> Callable[..., httpx.Client]:
        """What `Server.client` is to be."""
        return partial(httpx.Client, transport=httpx.MockTransport(self.answer))

    @property
    def posted(self) -> list[httpx.Request]:
        """The requests that brought a job."""
        return [request for request in self.asked if request.url.path == "/request"]

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        for first in self.before:
            if (found := first(request)) is not None:
                return found
        kind, _, rest = request.url.path.lstrip("/").partition("/")
        if kind == "store":
            return httpx.Response(200, content=self.store[rest]) if rest in self.store else httpx.Response(404)
        if kind == "request":
            return httpx.Response(200, json=self.take(request))
        if kind == "response":
            return self.stage(rest)
        return httpx.Response(200, json=getattr(self, kind)())

    # What it says of itself.

    def status(self) -> dict[str, Any]:
        return {"deployments": {"one": {"repo_id": self.name, "deployment_level": "HOT", "dtype": "float32"}}}

    def env(self) -> dict[str, Any]:
        return {"python_version": f"{platform.python_version()} (main)", "packages": self.packages}

    def connected(self) -> dict[str, str]:
        return {"status": "connected"}

    # Jobs.

    def take(self, request: httpx.Request) -> dict[str, Any]:
        job_id = f"job-{len(self.posted)}"
        envelope, blob = parts(request)
        self.jobs[job_id] = self.life(job_id, json.loads(envelope), blob)
        return {"id": job_id, "status": "RECEIVED", "description": RECEIVED, "data": None}

    def stage(self, job_id: str) -> httpx.Response:
        """Return what the object store has of a job: each time that it is asked for, the job is a stage further."""
        if job_id not in self.jobs:
            return httpx.Response(404, json={"detail": f"No response for request {job_id}."})
        return httpx.Response(200, json={"id": job_id, "data": None} | next(self.jobs[job_id]))

    def life(self, job_id: str, envelope: dict[str, Any], blob: bytes) -> Iterator[dict[str, Any]]:
        for status, description in self.stages:
            yield {"status": status, "description": description}
        end = {"status": "ERROR", "description": self.failure}
        if self.failure is None:
            self.store[f"{job_id}.pt"] = executed(self.model, blob, compress=envelope["compress"])
            address = f"{self.at}/store/{job_id}.pt?X-Amz-Signature=signed"
            end = {"status": "COMPLETED", "description": COMPLETED, "data": address}
        while True:
            yield end


@contextmanager
def on_loopback(ndif: MockNDIF) -> Iterator[str]:
    """Let a server answer on a real address of this machine, and yield it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = httpx.Request(self.command, f"{ndif.at}{self.path}", headers=self.headers.items(), content=body)
            found = ndif.answer(request)
            self.send_response(found.status_code)
            self.send_header("content-length", str(len(found.content)))
            self.end_headers()
            self.wfile.write(found.content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        ndif.at = f"http://127.0.0.1:{listening.server_port}"
        yield ndif.at
        listening.shutdown()


def parts(request: httpx.Request) -> tuple[str, bytes]:
    """Return the envelope and the blob of a posted job."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message_from_bytes(head + request.read(), policy=policy.HTTP).iter_parts()
    }
    return form["data"].decode(), form["blob"]


def executed(model: Any, blob: bytes, *, compress: bool) -> bytes:
    """Run a serialised block on a model, on a thread of its own as on a server; return the bytes of what it saved."""
    with ThreadPoolExecutor(1) as thread:
        saved = thread.submit(_execute, model, blob, compress).result()
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    return zstandard.ZstdCompressor(level=3).compress(buffer.getvalue()) if compress else buffer.getvalue()


def _execute(model: Any, blob: bytes, compress: bool) -> dict[str, Any]:
    # A server has never seen the classes of a request; here they would be found again, and written into.
    cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()
    lines = dict(linecache.cache)  # a request's source is put there under the name of the file that it came from
    try:
        tracer = RequestModel.deserialize(blob, model._remoteable_persistent_objects(), compress=compress)
        inc()
        try:
            tracer.execute(tracer.info.code)
            return {name: value for name, value in tracer.info.frame.f_locals.items() if id(value) in _saves()}
        finally:
            dec()
    finally:
        linecache.cache.clear()
        linecache.cache.update(lines)
