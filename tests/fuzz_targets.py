"""What the package reads from others, kind by kind: bytes go in, and an answer or the documented error comes out.

`test_fuzz.py` draws such bytes with hypothesis, and gives each kind its kept corpus (`tests/corpus`); `fuzz_guided.py`
looks for them by the coverage of the code. Beside the type of an error, memory is watched.
"""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import tiny_models
import tokenizer_kinds
from hand_made_study import hand_made_study, temporary_folder
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

import strace_widgets as sw
from strace_widgets.errors import (
    JobFileError,
    PromptError,
    SessionFileError,
    StraceError,
    StudyError,
    ToggleError,
    TraceFileError,
)
from strace_widgets.explorer import session_file
from strace_widgets.graph.toggles import parse
from strace_widgets.model.text import prompts, vocabulary
from strace_widgets.studies.manifest import FORMAT, VERSION, read_kept

TESTS = Path(__file__).parent
V1, V2, CORPUS = TESTS / "v1", TESTS / "v2", TESTS / "corpus"
MOST_BYTES = 1 << 26
"""What reading one of these small files may take."""

MOST_IDS = 5000
"""Of a tokenizer that is read."""

PART = b"\xffPART\xff"
"""Between the parts of an input that is several files; their lengths are not said, so that bytes can be put in."""

HOSTILE: list[Any] = [
    *(None, True, -1, 0, 2**31, 2**63, 2**70, 1e308, -0.5, "", "x" * 5000, "\ud800", "1" * 5000, "NaN"),
    *([], {}, [[]], {"": None}, [None] * 1000, "../../x", "http://me:secret@elsewhere.test", "<script>"),
]


@contextmanager
def refused_by(*errors: type[Exception]) -> Iterator[None]:
    """Let one kind of error pass, in a sentence, and watch the memory."""
    said = "read"
    tracemalloc.start()
    try:
        yield
    except errors as reason:
        said = str(reason)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert said
    assert peak < MOST_BYTES, f"{peak:,} bytes"


@cache
def folder() -> Path:
    return temporary_folder()


@cache
def tiny() -> Any:
    return sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())


@cache
def trace() -> sw.STrace:
    return sw.trace(tiny(), "w5 w17 w3 w88 w41 w2")


def encoded(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def loads(data: bytes) -> Any:
    """Return the JSON in some bytes; where there is none, what they are as text."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode(errors="replace")


# Saved traces, as they are and by their members.


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(held: dict[str, bytes], compression: int) -> bytes:
    """Return a saved trace whose checksums fit."""
    try:
        manifest = json.loads(held["manifest.json"])
    except (KeyError, ValueError, RecursionError):
        manifest = None
    if isinstance(manifest, dict) and isinstance(manifest.get("members"), dict):
        for name, content in held.items():
            if name in manifest["members"]:
                manifest["members"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        held = held | {"manifest.json": encoded(manifest)}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    return written.getvalue()


def traces() -> list[bytes]:
    file = folder() / "now.strace"
    if not file.exists():
        trace().save(file)
    return [each.read_bytes() for each in (file, V1 / "trace.strace", V1 / "fisher.strace", V2 / "trace.strace")]


def read_trace(content: bytes) -> None:
    file = folder() / "x.strace"
    file.write_bytes(content)
    with refused_by(TraceFileError):
        loaded = sw.load_trace(file)
        loaded.mask(0.5)
        assert repr(loaded)
        assert len(loaded.sweep())


def apart(content: bytes) -> bytes:
    """Return a saved trace's members, with their names, as one input."""
    file = folder() / "apart.strace"
    file.write_bytes(content)
    return PART.join(name.encode() + b"\n" + member for name, member in members(file).items())


def read_members(data: bytes) -> None:
    held = {}
    for part in data.split(PART):
        name, _, content = part.partition(b"\n")
        held[name.decode(errors="replace").replace("\0", "0") or "x"] = content
    read_trace(packed(held, zipfile.ZIP_STORED))


# Other files.


def read_by(error: type[Exception], read: Callable[[Path], Any], name: str = "x.json") -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        (folder() / name).write_bytes(data)
        with refused_by(error):
            read(folder() / name)

    return check


def read_session(file: Path) -> Any:
    return session_file.read(file, json.loads((V1 / "session.json").read_text(encoding="utf-8"))["model"])


@cache
def settings_of_a_study() -> Any:
    hand_made_study(1, folder=folder() / "study")
    return json.loads((folder() / "study" / "study.json").read_text(encoding="utf-8"))["settings"]


LINES = b'{"number": 0, "id": "0", "text": "w1"}\n'


def manifest_of(lines: bytes) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "settings": settings_of_a_study(),
        "model": {"name": "m", "source": "", "options": {"remote": "local"}, "unsaid": [], "weights_sha256": ""},
        "prompts": {"n_prompts": 1, "sha256": hashlib.sha256(lines).hexdigest()},
        "environments": [{"versions": {"torch": "1"}, "dtype": "float32", "device": "cpu"}],
    }


def read_manifest(data: bytes) -> None:
    """Read a manifest and its prompts, of which it says the right checksum."""
    manifest, _, lines = data.partition(PART)
    try:
        plain = json.loads(manifest)
        plain["prompts"]["sha256"] = hashlib.sha256(lines).hexdigest()
        manifest = encoded(plain)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    (folder() / "manifest.json").write_bytes(manifest)
    (folder() / "prompts.jsonl").write_bytes(lines)
    with refused_by(StudyError):
        read_kept(folder() / "manifest.json")


# What is given by hand, or by the browser.


def read_toggles(data: bytes) -> None:
    given = loads(data)
    with refused_by(ToggleError):
        found = parse(given, 3, 4, 6)
        assert parse(found.plain(), 3, 4, 6) == found


def read_prompt(data: bytes) -> None:
    """Read a prompt of any form; what is read is traced as its ids are, and shown."""
    given, model = loads(data), chatting()
    with refused_by(PromptError):
        found = model.read(given)
        assert len(found.token_ids) > 0
        assert isinstance(found.text, str)
        assert isinstance(found.origin.note + found.origin.warning, str)


@cache
def chatting() -> Any:
    """A tiny model with a start token, bytes, and a chat template."""
    tokenizer = tokenizer_kinds.sentencepiece()
    return sw.load_model(tiny_models.tiny(vocab_size=len(tokenizer)), tokenizer=tokenizer)


def read_tokenizer(data: bytes) -> None:
    """Make a tokenizer of its file, where there can be one, and read a vocabulary and a prompt with it."""
    try:
        made = Tokenizer.from_str(data.decode())
        # The library writes a sentence that names every id between two of a vocabulary: gigabytes, for the largest.
        if max([*made.get_vocab().values(), 0]) > MOST_IDS:
            return
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>")
    except BaseException as reason:
        if isinstance(reason, (KeyboardInterrupt, SystemExit)):
            raise
        return  # no tokenizer of anybody's; the library panics over some
    n_ids = max([*tokenizer.get_vocab().values(), 0]) + 3
    with refused_by(StraceError):
        texts = vocabulary.texts(tokenizer, n_ids)
        assert len(texts) == len({*texts}) == n_ids
        encoded(texts)
        for each in ("a", "The cap é\n", " "):
            prompts.read(each, tokenizer, "a model", partial(vocabulary.text_of, tokenizer))


class Kind(NamedTuple):
    """A kind of input."""

    good: Callable[[], list[bytes]]
    """What is read, to begin with."""
    check: Callable[[bytes], None]
    """Raises where other bytes are neither read nor refused as they should be."""


def of_files(*files: Path) -> Callable[[], list[bytes]]:
    return lambda: [file.read_bytes() for file in files]


def of_json(*values: Any) -> Callable[[], list[bytes]]:
    return lambda: [encoded(value) for value in values]


PROMPTS = (
    *("The capital of France is", [5, 17, 3], {"input_ids": [[5, 6]], "attention_mask": [[1, 1]]}, ["a"]),
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}],
)

KINDS: dict[str, Kind] = {
    "trace": Kind(traces, read_trace),
    "members": Kind(lambda: [apart(each) for each in traces()], read_members),
    "session": Kind(of_files(V1 / "session.json"), read_by(SessionFileError, read_session)),
    "job": Kind(of_files(V1 / "trace-job.json", V1 / "sweep-job.json"), read_by(JobFileError, sw.load_job)),
    "manifest": Kind(lambda: [encoded(manifest_of(LINES)) + PART + LINES], read_manifest),
    "toggles": Kind(of_json({"1.2": "off", "2@3": "on", "0.mlp": "off", "1.1@0>4": "off"}, ["1.2", "2"]), read_toggles),
    "prompt": Kind(of_json(*PROMPTS), read_prompt),
    "tokenizer": Kind(
        lambda: [make().backend_tokenizer.to_str().encode() for make in tokenizer_kinds.KINDS], read_tokenizer
    ),
}
"""Each kind that is read from bytes; messages and states, of an Explorer, are in `fuzz_explorer.py`."""
