"""Faults between here and a server, put into the answers of a server whose words were recorded.

A question is asked once of the server that the tests play, and what comes back is kept. Asked again, the same answers
come from the recording, one of them changed. So a fault costs no run of the model, and there can be many.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import httpx
import mock_ndif
import pytest
import torch
import zstandard
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


# The faults. Those in the bytes and on the way are the same for every step.


def text(content: bytes | str, code: int = 200) -> Callable[[Tape, bytes], httpx.Response]:
    return lambda *_: httpx.Response(code, content=content)


def changed(change: Callable[[bytes], bytes]) -> Callable[[Tape, bytes], httpx.Response]:
    return lambda _, honest: httpx.Response(200, content=change(honest))


def raising(error: type[httpx.RequestError], seconds: float = 0.0) -> Callable[[Tape, bytes], httpx.Response]:
    def act(tape: Tape, _: bytes) -> httpx.Response:
        tape.passing.sleep(seconds)
        raise error("the connection was closed")

    return act


class Slow(httpx.SyncByteStream):
    """Bytes that come one by one, and perhaps end in the middle."""

    def __init__(self, tape: Tape, content: bytes, pause: float, *, dropped: bool = False) -> None:
        self.tape, self.content, self.pause, self.dropped = tape, content, pause, dropped

    def __iter__(self) -> Iterator[bytes]:
        for piece in range(0, len(self.content), max(1, len(self.content) // 20)):
            self.tape.passing.sleep(self.pause)
            if self.dropped and piece > len(self.content) // 2:
                raise httpx.ReadError("the connection was closed")
            yield self.content[piece : piece + max(1, len(self.content) // 20)]


def slowly(pause: float, *, dropped: bool = False) -> Callable[[Tape, bytes], httpx.Response]:
    return lambda tape, honest: httpx.Response(200, stream=Slow(tape, honest, pause, dropped=dropped))


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "a byte": lambda b: b[:1],
    "a half": lambda b: b[: len(b) // 2],
    "all but one byte": lambda b: b[:-1],
}


def on_the_way(step: str, at: int, flips: int, chance: random.Random) -> Iterator[Fault]:
    """Yield what can happen to any answer."""
    for name, cut in CUTS.items():
        yield Fault("truncated", name, step, changed(cut), at)
    yield Fault("repeated", "twice in a row", step, changed(lambda b: 2 * b), at)
    yield Fault("repeated", "another question's", step, another, at)
    for lasting in (False, True):
        again = "ever again" if lasting else "once"
        yield Fault("delayed", f"no word in time, {again}", step, raising(httpx.ReadTimeout, 10), at, lasting)
        for error in (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            yield Fault("dropped", f"{error.__name__}, {again}", step, raising(error), at, lasting)
        yield Fault("dropped", f"in the middle, {again}", step, slowly(0, dropped=True), at, lasting)
        for code in (204, 302, 404, 418, 500, 503):
            yield Fault("wrong status", f"{code}, {again}", step, text(b"Not now.", code), at, lasting)
    yield Fault("delayed", "byte by byte", step, slowly(1), at)
    yield Fault("delayed", "byte by byte, for days", step, slowly(3600), at, lasting=True)
    for _ in range(flips):
        place, bit = chance.random(), chance.randrange(8)
        yield Fault("corrupted", f"bit {bit} at {place:.4f}", step, changed(partial(flipped, place=place, bit=bit)), at)
    for word in (b"<html>Sign in</html>", b"null", b"[]", b"{}", b"3", b"\xff\xfe\x00", b"[" * 50_000):
        yield Fault("wrong type", repr(word[:20]), step, text(word), at)
    packed = httpx.Response(200, content=b"\x1f\x8b\x08", headers={})
    packed.headers["content-encoding"] = "gzip"
    yield Fault("corrupted", "said to be packed", step, lambda *_: packed, at)


def flipped(content: bytes, place: float, bit: int) -> bytes:
    found = bytearray(content)
    found[int(place * len(found))] ^= 1 << bit
    return bytes(found)


def another(tape: Tape, honest: bytes) -> httpx.Response:
    """Give what was said of another question, of the same form."""
    mark, other = next(iter(tape.others.items()))
    del mark
    if honest.startswith(b"{"):
        said = json.loads(honest)
        said["id"] = other.job_id
        if said.get("data"):
            said["data"] = f"{mock_ndif.STORE}/store/{other.job_id}"
        return httpx.Response(200, json=said)
    return httpx.Response(200, content=other.answer)


VALUES: tuple[Any, ...] = (None, True, -1, 2**70, 0.5, "", "x" * 3000, "a\nb", "\x00", [], {}, [[]], {"a": 1})


def in_words(step: str, at: int) -> Iterator[Fault]:
    """Yield what can be wrong in an answer of JSON."""
    fields = {"post": ("id", "status"), "stage": ("id", "status", "description", "data")}[step]
    for name in fields:
        yield Fault("missing key", name, step, changed(partial(without, name=name)), at)
        for value in VALUES:
            put = changed(partial(with_value, name=name, value=value))
            yield Fault("wrong type", f"{name}={str(value)[:20]!r}", step, put, at)
    if step == "stage":
        for stage in ("COMPLETED", "RUNNING", "RECEIVED", "ERROR", "CANCELLED"):
            yield Fault("reordered", stage, step, changed(partial(with_value, name="status", value=stage)), at)
        stuck = changed(partial(with_value, name="status", value="QUEUED"))
        yield Fault("delayed", "queued for ever", step, stuck, at, lasting=True)


def without(content: bytes, name: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(content).items() if key != name}).encode()


def with_value(content: bytes, name: str, value: Any) -> bytes:
    return json.dumps(json.loads(content) | {name: value}).encode()


# What can be wrong in the tensors.

SHAPES: dict[str, Callable[[torch.Tensor], Any]] = {
    "a row less": lambda x: x[:-1] if x.ndim else x[None],
    "a column less": lambda x: x[..., :-1] if x.ndim else x[None, None],
    "one more axis": lambda x: x[None],
    "flat": lambda x: x.flatten() if x.ndim != 1 else x[:, None],
    "empty": lambda x: x.new_zeros(0),
    "twice": lambda x: torch.cat([x, x]) if x.ndim else x.expand(2).clone(),
}
KINDS: dict[str, Callable[[torch.Tensor], Any]] = {
    str(kind).removeprefix("torch."): lambda x, kind=kind: x.to(kind)
    for kind in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool, torch.complex64)
}
TYPES: dict[str, Callable[[torch.Tensor], Any]] = {
    "None": lambda _: None,
    "a word": lambda _: "w",
    "a number": lambda _: 0.5,
    "a list": lambda x: x.tolist(),
    "a dict": lambda x: {"values": x},
    "a parameter": lambda x: torch.nn.Parameter(x) if x.is_floating_point() else [x],
}


def filled(x: torch.Tensor, value: float, *, whole: bool) -> torch.Tensor:
    found = x.clone()
    if not x.is_floating_point():
        return found.fill_(-1)
    if whole:
        return found.fill_(value)
    found.reshape(-1)[0] = value
    return found


INFINITIES: dict[str, Callable[[torch.Tensor], Any]] = {
    "not a number": lambda x: filled(x, float("nan"), whole=True),
    "one that is none": lambda x: filled(x, float("nan"), whole=False),
    "infinity": lambda x: filled(x, float("inf"), whole=True),
    "one infinity": lambda x: filled(x, float("inf"), whole=False),
}
IN_TENSORS = {"wrong shape": SHAPES, "wrong dtype": KINDS, "wrong type": TYPES, "non-finite": INFINITIES}


PARTS: dict[str, Callable[[Any], Any]] = {
    "missing key": lambda x: x[:-1],
    "repeated": lambda x: [*x, x[-1]],
    "reordered": lambda x: [*x][::-1],
}


def in_tensors(content: bytes, at: int) -> Iterator[Fault]:
    """Yield what can be wrong in each tensor of an answer, and in what holds them."""
    for number, (path, leaf) in enumerate(leaves(loaded(content))):
        if not torch.is_tensor(leaf):
            continue
        for kind, changes in IN_TENSORS.items():
            for name, change in changes.items():
                same = change(leaf)
                if torch.is_tensor(same) and same.dtype == leaf.dtype and torch.equal(same, leaf):
                    continue
                act = resaved(partial(at_place, number=number, up=0, change=change))
                yield Fault(kind, f"{name} at {path}", "answer", act, at)
        for kind, change in PARTS.items():
            act = resaved(partial(at_place, number=number, up=1, change=change))
            yield Fault(kind, f"parts of {path[:-1]}", "answer", act, at)
    named: dict[str, Callable[[dict[str, Any]], Any]] = {
        "another name": lambda x: {"other": next(iter(x.values()))},
        "a number for a name": lambda x: {3: next(iter(x.values()))},
        "nothing": dict.fromkeys,
        "no mark": lambda x: {name: value[0] for name, value in x.items()},
        "another mark": lambda x: {name: [value[0], "another"] for name, value in x.items()},
    }
    for name, change in named.items():
        yield Fault("missing key", name, "answer", resaved(change), at)


def loaded(content: bytes) -> Any:
    if content.startswith(zstandard.FRAME_HEADER):
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return torch.load(io.BytesIO(content), weights_only=True)


def resaved(change: Callable[[Any], Any]) -> Callable[[Tape, bytes], httpx.Response]:
    def act(_: Tape, honest: bytes) -> httpx.Response:
        buffer = io.BytesIO()
        torch.save(change(loaded(honest)), buffer)
        return httpx.Response(200, content=zstandard.compress(buffer.getvalue()))

    return act


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, (dict, list, tuple)):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
    else:
        yield path, value


def at_place(value: Any, number: int, up: int, change: Callable[[Any], Any]) -> Any:
    """Change the leaf of a number, of those that there are, or what it lies in."""
    paths = [path for path, leaf in leaves(value) if torch.is_tensor(leaf) and len(path) > up]
    path = paths[number % len(paths)]
    return replaced(value, path[: len(path) - up], change)


def replaced(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    if isinstance(value, dict):
        return value | {path[0]: replaced(value[path[0]], path[1:], change)}
    found = list(value)
    found[path[0]] = replaced(found[path[0]], path[1:], change)
    return found


def every_fault(recorded: dict[str, Recorded], flips: int, chance: random.Random) -> list[Fault]:
    """Return all faults of a question: those on the way at its first and last request, the others in each answer."""
    last = len(recorded) - 1
    found: list[Fault] = []
    for at in sorted({0, last}):
        for step in STEPS:
            # Each request asks for its stage twice.
            found += on_the_way(step, 2 * at + 1 if step == "stage" else at, flips, chance)
        found += [*in_words("post", at), *in_words("stage", 2 * at), *in_words("stage", 2 * at + 1)]
    for at, each in enumerate(recorded.values()):
        found += in_tensors(each.answer, at)
    return found
