"""Files, messages and toggles that nobody meant: each is read, or refused by its one documented error.

Good ones are mutated: bytes are changed, cut and repeated, and values of JSON are replaced by others. Beside the type
of the error, memory is watched: nothing may take many times the bytes that came. `make fuzz` tries many more of them,
led by the coverage of the code; what reached as much of it as all of those is kept in tests/corpus, and tried here.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_explorer
import fuzz_targets
import pytest
from fuzz_targets import CORPUS, HOSTILE, PART, encoded, refused_by
from hand_made_study import hand_made_study
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.errors import StudyError, ToggleError
from strace_widgets.graph.toggles import parse

KINDS = fuzz_targets.KINDS | fuzz_explorer.EXPLORER_KINDS
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))

fuzzed = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    fuzz_explorer.close()


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


@st.composite
def other_input(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw an input of which one part is another: its JSON, where it has any, or its bytes."""
    parts = content.split(PART)
    place = draw(st.integers(0, len(parts) - 1))
    name, line, named = parts[place].partition(b"\n")
    for before, text in ((b"", parts[place]), (name + line, named)):
        try:
            plain = json.loads(text)
        except ValueError:
            continue
        if isinstance(plain, (dict, list)) and draw(st.booleans()):
            parts[place] = before + encoded(draw(other_json(plain)))
            return PART.join(parts)
    parts[place] = draw(other_bytes(parts[place]))
    return PART.join(parts)


@cache
def good(kind: str) -> list[bytes]:
    return KINDS[kind].good()


@pytest.mark.parametrize("kind", fuzz_targets.KINDS)
@fuzzed
@given(st.data())
def test_inputs(kind: str, data: st.DataObject) -> None:
    KINDS[kind].check(data.draw(st.sampled_from(good(kind)).flatmap(other_input)))


@pytest.mark.parametrize("kind", fuzz_explorer.EXPLORER_KINDS)
@settings(parent=fuzzed, max_examples=max(EXAMPLES // 3, 1))
@given(st.data())
def test_what_a_browser_sends(kind: str, data: st.DataObject) -> None:
    """Each message has one answer; a state is taken or refused; and what is on screen belongs together."""
    KINDS[kind].check(data.draw(st.sampled_from(good(kind)).flatmap(other_input)))


@pytest.mark.parametrize("kind", KINDS)
def test_kept_inputs(kind: str) -> None:
    with zipfile.ZipFile(CORPUS / f"{kind}.zip") as kept:
        assert kept.namelist()
        for name in kept.namelist():
            KINDS[kind].check(kept.read(name))


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
