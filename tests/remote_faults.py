"""Faults between here and a server: its answers truncated, repeated, delayed, reordered, damaged, of other values."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import mock_ndif
import torch
import zstandard
from recorded_server import STEPS, Fault, Recorded, Tape

# Those in the bytes and on the way are the same for every step.


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
