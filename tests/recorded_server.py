"""A server whose words were recorded, one of whose answers can be changed.

A question is asked once of the server that the tests play, and what comes back is kept. Asked again, the same answers
come from the recording. So a fault costs no run of the model, and there can be many.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import httpx
import mock_ndif
import pytest
from mock_ndif import MockNDIF, PassingTime

from strace_widgets.model import answers
from strace_widgets.remote.backend import JobBackend

STEPS = ("post", "stage", "answer")
"""What a request goes through; each is answered by itself."""
NAMES = {"request": "post", "response": "stage", "store": "answer"}
"""The steps by what addresses begin with."""


class Fault(NamedTuple):
    """What is done to one answer.

    Attributes
    ----------
    kind, name : str
    step : str
        Which of `STEPS` is hit.
    act : callable
        Takes the tape and the honest answer's bytes; returns what comes in its place, or raises what httpx raises.
    at : int
        Which answer of this step is hit first.
    lasting : bool
        Whether those after it are hit as well.
    """

    kind: str
    name: str
    step: str
    act: Callable[[Tape, bytes], httpx.Response]
    at: int = 0
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.name} ({self.step} {self.at}{' and all after it' if self.lasting else ''})"


class Recorded(NamedTuple):
    """What the server said of one request."""

    job_id: str
    answer: bytes


@dataclass
class Tape:
    """A server of which only the words are left."""

    recorded: dict[str, Recorded]
    """By the mark of the request."""
    passing: PassingTime
    others: dict[str, Recorded] = field(default_factory=dict)
    """What was said of another question."""
    fault: Fault | None = None
    seen: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    hit: int = 0

    @property
    def client(self) -> Callable[..., httpx.Client]:
        return partial(httpx.Client, transport=httpx.MockTransport(self.heard))

    def rewind(self, fault: Fault | None = None) -> None:
        self.fault, self.hit = fault, 0
        self.seen.clear()
        self.stages.clear()

    def heard(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, honestly or not."""
        step, honest = self.said(request)
        number = self.seen[step]
        self.seen[step] += 1
        fault = self.fault
        if fault and fault.step == step and (number == fault.at or (fault.lasting and number > fault.at)):
            self.hit += 1
            return fault.act(self, honest)
        return httpx.Response(200 if honest else 404, content=honest)

    def said(self, request: httpx.Request) -> tuple[str, bytes]:
        """Return which step a request is, and the honest answer; nothing where there is none."""
        kind, _, rest = request.url.path.lstrip("/").partition("/")
        both = self.others | self.recorded
        by_job = {each.job_id: each for each in both.values()}
        found: Any = b""
        if kind == "request":
            mark = mock_ndif.parts(request)[1].decode()
            found = {"id": both[mark].job_id, "status": "RECEIVED"} if mark in both else b""
        elif kind == "connected":
            found = {"status": "connected"}
        elif kind == "response" and rest in by_job:
            self.stages[rest] += 1
            found = {"id": rest, "status": "QUEUED", "description": mock_ndif.QUEUED, "data": None}
            if self.stages[rest] > 1:
                found |= {"status": "COMPLETED", "data": f"{mock_ndif.STORE}/store/{rest}"}
        elif kind == "store" and rest in by_job:
            found = by_job[rest].answer
        return NAMES.get(kind, kind), found if isinstance(found, bytes) else json.dumps(found).encode()


@dataclass
class Live(Tape):
    """The server that the tests play itself, of whose answers one is changed."""

    ndif: MockNDIF | None = None

    def said(self, request: httpx.Request) -> tuple[str, bytes]:
        assert self.ndif is not None
        kind = request.url.path.lstrip("/").partition("/")[0]
        found = self.ndif.answer(request) if kind in {*NAMES, "connected"} else httpx.Response(404)
        return NAMES.get(kind, kind), found.content if found.is_success else b""


@contextmanager
def known_marks(monkeypatch: pytest.MonkeyPatch, prefix: str) -> Iterator[list[str]]:
    """Number the marks of requests, so that a recording answers the next time as well."""
    made: list[str] = []

    def new_mark() -> str:
        made.append(f"{prefix} {len(made)}")
        return made[-1]

    with monkeypatch.context() as patched:
        patched.setattr(answers, "new_mark", new_mark)
        yield made


def record(monkeypatch: pytest.MonkeyPatch, ndif: MockNDIF, name: str, ask: Callable[[], Any]) -> dict[str, Recorded]:
    """Ask a question, and return what the server said by the marks of its requests."""
    ndif.stages = ()
    before = len(ndif.posted)
    with known_marks(monkeypatch, name) as marks:
        ask()
    jobs = [f"job-{number + 1}" for number in range(before, len(ndif.posted))]
    assert len(jobs) == len(marks)
    said = [Recorded(f"{name.replace(' ', '-')}-{job}", ndif.store[f"{job}.pt"]) for job in jobs]
    return dict(zip(marks, said, strict=True))


@contextmanager
def replayed(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """Let requests carry nothing but their mark, which is all that a recording reads of them."""

    def mark_alone(_: JobBackend, tracer: Any) -> bytes:
        return str(tracer.info.frame.f_locals["architecture"]["mark"]).encode()

    with monkeypatch.context() as patched, known_marks(patched, name):
        patched.setattr(JobBackend, "_serialize", mark_alone)
        yield
