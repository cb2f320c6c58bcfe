"""A full, broken or read-only disk, and a process that is killed, at each call that changes something on the disk.

Whatever is written is there as it was or as it is to be, never in between; what goes wrong is said in a sentence; and
nothing stays beside it that is not removed later. `make faults` tries every call with every error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import tiny_models
import vl_convert
from conftest import PROMPT, contents
from disk_faults import ERRORS, KILL, Disk, failing
from explorer_steps import settled
from hand_made_study import hand_made_study

import strace_widgets as sw
from strace_widgets.errors import StraceError
from strace_widgets.model.shipped import gguf_file, models
from strace_widgets.paths import LEFT
from strace_widgets.report import page, paper
from strace_widgets.studies import folder as folders

EVERY = int(os.environ.get("FAULTS", "1")) > 1
SOME = 30
"""So many calls are tried with an error and with a kill each, even in the short form."""
OLD = b"what was here before"
SENTENCE = re.compile(r"\S+ [^\n]{20,}[.?)]")


class Prepared(NamedTuple):
    """What is to be written, made before the disk fails."""

    trace: sw.STrace
    explorer: sw.Explorer
    job: Any
    study: sw.Study


@pytest.fixture
def prepared(tiny_trace: sw.STrace, remote_tiny: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prepared]:
    tiny_trace.sweep()
    # What is drawn is written many times here.
    drawn = cache(lambda spec: vl_convert.vegalite_to_svg(json.loads(spec)))
    svg = SimpleNamespace(vegalite_to_svg=lambda spec: drawn(json.dumps(spec)))
    for room in (paper, page):
        monkeypatch.setattr(room, "vl_convert", svg)
    explorer = tiny_trace.explore()
    settled(explorer)
    yield Prepared(tiny_trace, explorer, sw.submit(remote_tiny, PROMPT), hand_made_study())
    explorer.close()


WRITERS: dict[str, Callable[[Prepared, Path], Any]] = {
    "x.strace": lambda given, folder: given.trace.save(folder / "x.strace"),
    "shown.strace": lambda given, folder: given.explorer.save(folder / "shown.strace"),
    "session.json": lambda given, folder: given.explorer.save_session(folder / "session.json"),
    "page.html": lambda given, folder: given.trace.to_html(folder / "page.html"),
    "job.json": lambda given, folder: given.job.save(folder / "job.json"),
    "report.html": lambda given, folder: given.study.report(folder / "report.html"),
    "tables": lambda given, folder: given.study.save_latex(folder),
    "figures": lambda given, folder: given.study.save_figures(folder, formats=("svg",)),
}


def faults(n_calls: int, few: int = 24) -> list[tuple[int, int, bool]]:
    """Return which calls go wrong, how, and whether all after them do as well; some of them where there are many."""
    errors = [(how, lasting) for how in ERRORS for lasting in (True, False)]
    if EVERY:
        return [(at, how, lasting) for at in range(n_calls) for how, lasting in [*errors, (KILL, True)]]
    if n_calls > few:  # those that begin something, and those that put it in its place
        picked = sorted({*range(few // 4), *range(n_calls - few // 4, n_calls)})
        return [(at, *how) for at in picked for how in (errors[at % len(errors)], (KILL, True))]
    if n_calls > SOME:
        return [(at, *((KILL, True) if (at + at // 8) % 2 else errors[at % len(errors)])) for at in range(n_calls)]
    return [(at, *how) for at in range(n_calls) for how in (errors[at % len(errors)], (KILL, True))]


@pytest.fixture(scope="module", autouse=True)
def tried() -> Iterator[Counter[str]]:
    """Count the faults, and say at the end how many there were of each kind."""
    found: Counter[str] = Counter()
    yield found
    print(f"\n{sum(found.values())} faults: {dict(sorted(found.items()))}")


def count(tried: Counter[str], disk: Disk, at: int, how: int) -> None:
    tried["killed" if how == KILL else os.strerror(how)] += 1
    tried[f"at {disk.calls[at]}"] += 0


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_there_as_it_was_or_as_it_is_to_be(
    name: str, prepared: Prepared, tmp_path: Path, tried: Counter[str]
) -> None:
    write = WRITERS[name]
    whole = tmp_path / "whole"
    write(prepared, whole)
    new = contents(whole)
    with failing(Disk(tmp_path)) as calm:
        write(prepared, whole)
    troubles = []
    few = 8 if "." not in name or name.startswith("report") else 24  # these are slow to make
    for number, (at, how, lasting) in enumerate(faults(len(calm.calls), few)):
        folder = tmp_path / f"try {number}"
        folder.mkdir()
        for each in new:
            (folder / each).write_bytes(OLD)
        trouble = spoiled(lambda folder=folder: write(prepared, folder), Disk(folder, at, how, lasting), new)
        if trouble:
            troubles.append(f"{calm.calls[at]} ({at}), {how}{' and on' if lasting else ''}: {trouble}")
        count(tried, calm, at, how)
        age(folder)
        write(prepared, folder)
        if contents(folder) != new:
            troubles.append(f"{calm.calls[at]} ({at}), {how}: left {sorted(set(contents(folder)) - set(new))}")
    assert not troubles, f"{len(troubles)} of {number + 1}:\n" + "\n".join(troubles[:30])


def spoiled(write: Callable[[], Any], disk: Disk, new: dict[str, bytes]) -> str:
    """Write on a disk that fails; return what is wrong with what is there then, and with what is said."""
    said = ""
    try:
        with failing(disk):
            write()
    except StraceError as reason:
        said = "" if SENTENCE.fullmatch(str(reason)) else f"no sentence: {reason}"
    except Exception as reason:  # noqa: BLE001 - it is what is looked for
        said = f"raw: {type(reason).__name__}: {reason}"
    found = contents(disk.root)
    torn = [name for name, content in new.items() if found.get(name) not in (OLD, content)]
    left = sorted(set(found) - set(new)) if disk.how != KILL and not disk.lasting else []
    return said or (f"torn: {torn}" if torn else f"left: {left}" if left else "")


def age(folder: Path) -> None:
    """Let a day go by for what lies in a folder."""
    for each in folder.rglob("*"):
        os.utime(each, (time.time() - LEFT - 100,) * 2)


# Studies, which are folders: stopped anywhere, the same call makes them whole.


def run(model: Any, folder: Path, **options: Any) -> sw.Study:
    how: dict[str, Any] = {"sizes": [0.1, 0.5], "baselines": (), "progress": False} | options
    return sw.study(model, [PROMPT], folder, **how)


def tables(study: sw.Study) -> list[Any]:
    return [study.points["total_variation"].to_numpy(), study.prompts["full_entropy"].to_numpy(), len(study.components)]


BEGUN: dict[str, dict[str, Any] | None] = {"begun": None, "extended": {"sizes": [0.1]}}


@pytest.mark.parametrize("name", BEGUN)
def test_a_study_is_made_whole_by_the_same_call(
    name: str, tiny: Any, tmp_path: Path, tried: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "STOPPED", 0.0)
    before, extend = BEGUN[name], {"extend": True} if BEGUN[name] else {}

    def begun(folder: Path) -> Path:
        if before:
            run(tiny, folder, **before)
        return folder

    right = tables(run(tiny, begun(tmp_path / "whole"), **extend))
    with failing(Disk(tmp_path)) as calm:
        run(tiny, begun(tmp_path / "counted"), **extend)
    n_before = 0
    if before:
        with failing(Disk(tmp_path)) as first:
            run(tiny, tmp_path / "first", **before)
        n_before = len(first.calls)
    calls = calm.calls[n_before:]
    troubles = []
    for number, (at, how, lasting) in enumerate(faults(len(calls), len(calls))):
        folder = begun(tmp_path / f"try {number}")
        said = ""
        try:
            with failing(Disk(folder, at, how, lasting)):
                run(tiny, folder, **extend)
        except StraceError as reason:
            said = "" if SENTENCE.fullmatch(str(reason)) else f"no sentence: {reason}"
        except Exception as reason:  # noqa: BLE001 - it is what is looked for
            said = f"raw: {type(reason).__name__}: {reason}"
        said = said or readable(folder, sizes=1 if before else 0)
        age(folder)
        if not all(np.array_equal(*pair) for pair in zip(tables(run(tiny, folder, **extend)), right, strict=True)):
            said = said or "another study"
        left = [each.name for each in folder.rglob("*") if each.name.endswith(".part") or "unfinished-" in each.name]
        if said or left:
            troubles.append(f"{calls[at]} ({at}), {how}{' and on' if lasting else ''}: {said or left}")
        tried["killed" if how == KILL else os.strerror(how)] += 1
    assert not troubles, f"{len(troubles)} of {number + 1}:\n" + "\n".join(troubles[:30])


def readable(folder: Path, sizes: int) -> str:
    """Return what is wrong with a study that was stopped: it is read, or said to be none."""
    try:
        found = sw.load_study(folder)
        if sizes and len(found.prompts) != 1:
            return "the results that were there are gone"
    except StraceError as reason:
        return "" if not sizes else f"the results that were there are gone: {reason}"
    except Exception as reason:  # noqa: BLE001 - it is what is looked for
        return f"raw, read: {type(reason).__name__}: {reason}"
    return ""


# Models that a package ships, which are unpacked once.


class Values:
    """Stands for a tensor of a GGUF file."""

    shape, n_elements, data = (4, 3), 12, np.arange(12, dtype=np.float32).reshape(3, 4)
    tensor_type = 0


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """Unpack a small model into a cache."""
    tokenizer = tiny_models.words().backend_tokenizer
    content = gguf_file.Content({"model_type": "llama"}, tokenizer, {}, [gguf_file.Weight("weight", Values())])
    model = replace(models.DEFAULT, hub_id="some/small", read=lambda _: content)

    def unpack(cache: Path) -> Path:
        monkeypatch.setenv("STRACE_WIDGETS_CACHE", str(cache))
        monkeypatch.setitem(models.SHIPPED, model.hub_id, model)
        return Path(models.locate(model.hub_id))

    return unpack


def test_a_model_is_unpacked_whole_or_not_at_all(
    shipped: Callable[[Path], Path], tmp_path: Path, tried: Counter[str]
) -> None:
    new = contents(shipped(tmp_path / "whole"))
    with failing(Disk(tmp_path)) as calm:
        shipped(tmp_path / "counted")
    troubles = []
    for number, (at, how, lasting) in enumerate(faults(len(calm.calls))):
        cache = tmp_path / f"try {number}"
        trouble = spoiled(lambda cache=cache: shipped(cache), Disk(cache, at, how, lasting), {})
        folder = cache / "small"
        if trouble.startswith(("raw", "no sentence")) or (folder.exists() and contents(folder) != new):
            troubles.append(f"{calm.calls[at]} ({at}), {how}{' and on' if lasting else ''}: {trouble}")
        age(cache)
        shutil.rmtree(folder, ignore_errors=True)  # what was left goes when a model is unpacked
        if contents(shipped(cache)) != new or [each.name for each in cache.iterdir()] != ["small"]:
            troubles.append(f"{calm.calls[at]} ({at}), {how}: left {[each.name for each in cache.iterdir()]}")
        tried["killed" if how == KILL else os.strerror(how)] += 1
    assert not troubles, f"{len(troubles)} of {number + 1}:\n" + "\n".join(troubles[:30])


RANK = """
import resource, sys
import numpy as np
from strace_widgets.graph.edges import Edges, Graph
from strace_widgets.graph.ranking import rank_edges
if sys.argv[1:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
graph = Graph(2, 3, 4, parallel=False)
weights = Edges(*(kind.astype(np.float32) for kind in graph.exists()))
print(rank_edges(weights, graph).attention.tolist())
"""


def ranked(cache: Path, *how: str) -> str:
    """Rank edges in a process of its own, with what numba keeps in a folder."""
    command, environment = [sys.executable, "-c", RANK, *how], os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_what_numba_cannot_keep_on_the_disk_is_no_condition_of_a_trace(tmp_path: Path) -> None:
    assert ranked(tmp_path, "full").startswith("[[[[")
    assert not [file for file in tmp_path.rglob("*.nbi") if file.stat().st_size]


def test_what_numba_kept_and_is_damaged_is_compiled_again(tmp_path: Path) -> None:
    first = ranked(tmp_path)
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in kept} == {".nbi", ".nbc"}
    for file in kept:
        file.write_bytes(file.read_bytes()[:-20] + b"torn")
    assert ranked(tmp_path) == first
    assert not [file for file in kept if file.suffix == ".nbi" and file.read_bytes().endswith(b"torn")]
