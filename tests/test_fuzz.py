"""Files, messages and toggles that nobody meant: each is read, or refused by its one documented error.

Good ones are mutated: bytes are changed, cut and repeated, and values of JSON are replaced by others. Beside the type
of the error, memory is watched: nothing may take many times the bytes that came. `make fuzz` tries many more of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from explorer_steps import Front, settled
from explorer_steps import settings as front_settings
from hand_made_study import hand_made_study
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.errors import JobFileError, SessionFileError, StudyError, ToggleError, TraceFileError
from strace_widgets.explorer import session_file
from strace_widgets.graph.toggles import parse
from strace_widgets.studies.manifest import FORMAT, VERSION, read_kept

V1, V2 = (Path(__file__).parent / name for name in ("v1", "v2"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
MOST_BYTES = 1 << 26
"""What reading one of these small files may take."""

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
HOSTILE: list[Any] = [
    *(None, True, -1, 0, 2**31, 2**63, 2**70, 1e308, -0.5, "", "x" * 5000, "\ud800", "1" * 5000, "NaN"),
    *([], {}, [[]], {"": None}, [None] * 1000, "../../x", "http://me:secret@elsewhere.test", "<script>"),
]


@st.composite
def other_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw a file that is a few changes away."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(changed) - 1, 0)))
        how = draw(st.sampled_from(["set", "cut", "insert", "repeat", "drop"]))
        if how == "set" and changed:
            changed[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del changed[at:]
        elif how == "insert":
            changed[at:at] = draw(st.binary(max_size=8))
        elif how == "repeat":
            changed[at:at] = changed[at : at + 64]
        else:
            del changed[at : at + draw(st.integers(1, 64))]
    return bytes(changed)


@st.composite
def other_json(draw: st.DrawFn, good: Any) -> Any:
    """Draw plain data of which a value, or a few, is another, missing, or there twice."""
    changed = deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = changed
        while isinstance(holder, (dict, list)) and holder:
            key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
            if isinstance(holder[key], (dict, list)) and holder[key] and draw(st.integers(0, 3)):
                holder = holder[key]
                continue
            if draw(st.booleans()):
                holder[key] = deepcopy(draw(st.sampled_from(HOSTILE)))
            else:
                del holder[key]
            break
    return changed


@contextmanager
def refused_by(error: type[Exception]) -> Iterator[None]:
    """Let one kind of error pass, in a sentence, and watch the memory."""
    said = "read"
    tracemalloc.start()
    try:
        yield
    except error as reason:
        said = str(reason)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert said
    assert peak < MOST_BYTES, f"{peak:,} bytes"


def encoded(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def everything_of(trace: sw.STrace) -> None:
    """Look at what a loaded trace says."""
    trace.mask(0.5)
    assert repr(trace)
    assert len(trace.sweep())


TRACES = [V1 / "trace.strace", V1 / "fisher.strace", V2 / "trace.strace"]


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(held: dict[str, bytes], compression: int) -> bytes:
    """Return a saved trace whose checksums fit."""
    manifest = json.loads(held["manifest.json"])
    if isinstance(manifest, dict) and isinstance(manifest.get("members"), dict):
        for name, content in held.items():
            if name in manifest["members"]:
                manifest["members"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, content in (held | {"manifest.json": encoded(manifest)}).items():
            archive.writestr(name, content)
    return written.getvalue()


@fuzzed
@given(st.data())
def test_saved_traces(tmp_path: Path, tiny_trace: sw.STrace, data: st.DataObject) -> None:
    now = tmp_path / "now.strace"
    if not now.exists():
        tiny_trace.save(now)
    file = data.draw(st.sampled_from([now, *TRACES]), label="file")
    if data.draw(st.booleans()):
        content = data.draw(other_bytes(file.read_bytes()))
    else:
        held = members(file)
        name = data.draw(st.sampled_from(sorted(held)))
        if name.endswith(".json"):
            held[name] = encoded(data.draw(other_json(json.loads(held[name]))))
        else:
            held[name] = data.draw(other_bytes(held[name]))
        content = packed(held, data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))
    (tmp_path / "x.strace").write_bytes(content)
    with refused_by(TraceFileError):
        everything_of(sw.load_trace(tmp_path / "x.strace"))


READERS: dict[str, tuple[Path, type[Exception], Callable[[Path], Any]]] = {
    "session": (
        V1 / "session.json",
        SessionFileError,
        lambda file: session_file.read(file, json.loads((V1 / "session.json").read_text())["model"]),
    ),
    "job of a trace": (V1 / "trace-job.json", JobFileError, sw.load_job),
    "job of a sweep": (V1 / "sweep-job.json", JobFileError, sw.load_job),
}


@pytest.mark.parametrize("kind", READERS)
@fuzzed
@given(st.data())
def test_sessions_and_jobs(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    good, error, read = READERS[kind]
    content = good.read_bytes()
    changed = st.one_of(other_bytes(content), other_json(json.loads(content)).map(encoded))
    (tmp_path / "x.json").write_bytes(data.draw(changed))
    with refused_by(error):
        read(tmp_path / "x.json")


@fuzzed
@given(st.data())
def test_studies(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole"
    if not whole.exists():
        hand_made_study(2, folder=whole)
    files = sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file())
    name = data.draw(st.sampled_from(files))
    content = (whole / name).read_bytes()
    shutil.copytree(whole, tmp_path / "x", dirs_exist_ok=True)
    (tmp_path / "x" / name).write_bytes(data.draw(other_bytes(content)))
    with refused_by(StudyError):
        study = sw.load_study(tmp_path / "x")
        for table in (study.prompts, study.points, study.necessary, study.components):
            len(table)
        repr(study)


@fuzzed
@given(st.data())
def test_manifests_of_studies(tmp_path: Path, data: st.DataObject) -> None:
    lines = b'{"number": 0, "id": "0", "text": "w1"}\n'
    changed = data.draw(st.one_of(other_bytes(lines), other_json(json.loads(lines)).map(encoded)))
    if not (tmp_path / "study.json").exists():
        hand_made_study(1, folder=tmp_path)
    model = {"name": "m", "source": "", "options": {"remote": "local"}, "unsaid": [], "weights_sha256": ""}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "settings": json.loads((tmp_path / "study.json").read_text())["settings"],
        "model": model,
        "prompts": {"n_prompts": 1, "sha256": hashlib.sha256(changed).hexdigest()},
        "environments": [{"versions": {"torch": "1"}, "dtype": "float32", "device": "cpu"}],
    }
    (tmp_path / "prompts.jsonl").write_bytes(changed)
    (tmp_path / "manifest.json").write_bytes(encoded(data.draw(st.one_of(st.just(manifest), other_json(manifest)))))
    with refused_by(StudyError):
        read_kept(tmp_path / "manifest.json")


NAMES = st.one_of(
    st.from_regex(r"\A\d{0,4}(\.(\d{1,3}|mlp|mlp_residual))?(@(\d{1,3}>)?\d{1,3})?\Z"),
    st.text(max_size=12),
    st.integers(),
    st.sampled_from(["1" * 5000, "1.mlp@0>1", "@", "1@", "²", "1.²", "٣"]),
)


@fuzzed
@given(st.one_of(st.dictionaries(NAMES, st.sampled_from(["on", "off", "auto", "", None, 1, []])), st.lists(NAMES)))
def test_toggles(given_: Any) -> None:
    with refused_by(ToggleError):
        found = parse(given_, 3, 4, 6)
        assert parse(found.plain(), 3, 4, 6) == found


def messages(explorer: sw.Explorer) -> st.SearchStrategy[Any]:
    """Draw what a browser might ask; refining, which would take as long as it is told to, without a budget."""
    asked = {
        "trace": {"settings": front_settings(explorer), "n_edges": 40, "toggles": {"1.2": "off"}, "counterfactual": ""},
        "compare": {"names": ["l2", "inverse"]},
        "why": {"n_edges": [10, 20]},
        "inside": {"node": "1.2"},
        "node": {"node": "1.2"},
        "refine": {"passes": None},
        "code": {"of": 1},
        "cancel": {"x": 1},
        "nonsense": {"x": 1},
    }
    return st.sampled_from(sorted(asked)).flatmap(lambda kind: other_json(asked[kind]).map(lambda each: [kind, each]))


@settings(parent=fuzzed, max_examples=max(EXAMPLES // 5, 1))
@given(st.data())
def test_messages(front: Front, data: st.DataObject) -> None:
    """Each has one answer, and what is on screen belongs together."""
    explorer = front.explorer
    kind, payload = data.draw(messages(explorer))
    if kind == "refine" and isinstance(payload.get("passes"), (int, float)):
        payload = {}
    before = len(front.answers)
    answer = front.ask(kind, **{str(name): value for name, value in payload.items() if name not in ("kind", "self")})
    assert answer["ok"] or answer["error"]
    assert len(front.answers) == before + 1
    shown = settled(explorer)
    assert (shown["n_edges"], shown["toggles"]) == (explorer.n_edges, explorer.toggles)
    assert explorer.view_state["n_edges"] == explorer.trace.n_edges
    assert explorer.trace.parsed(explorer.toggles).plain() == explorer.toggles
