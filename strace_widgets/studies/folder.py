"""A study's folder: its settings, and one folder a prompt that appears whole or not at all.

``study.json`` holds the settings. ``parts/<number>-<id>/`` holds one small Parquet file for each table (and
``states.npy``, ``edges-<importance>.npz`` and ``view-<importance>.json.gz`` if the study keeps them); the tables of a
study are those of its parts, one after another, and ``sha256.json`` tells damage. A part is written under another name
and renamed when it is whole, so that a stop leaves no half part. Nothing is locked: whoever writes to the folder at the
same time writes other prompts.
"""

from __future__ import annotations

import io
import re
import shutil
import time
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from ..errors import StudyError
from ..json_files import Header, decode_file, encode
from ..paths import absolute, write_file
from .checksums import SUMS, damage, sums_of
from .settings import GROWING, Settings, refuse_less
from .tables import read_table, table_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ..extras import pa

FORMAT, VERSION = "strace-study", 2
UNFINISHED = "unfinished-"
"""What the name of a part begins with until it is whole."""

REPLACED = "-replaced"
"""What the name of an unfinished part ends in that a new one is about to take the place of."""

STOPPED = 60.0
"""Seconds after which whoever was taking the place of results has been stopped."""

DONE = "prompts.parquet"
"""The file of a part that makes it count as done."""

STATES = "states.npy"
"""The file of a prompt's hidden states."""


class StudyFile(Header):
    """What ``study.json`` holds."""

    n_prompts: int
    settings: Settings
    growing: bool = False
    """Whether settings were added that not every part has yet."""


class Description(NamedTuple):
    """What a study's folder says of it: its settings, how many prompts it is to have, and whether parts lack some."""

    settings: Settings
    n_prompts: int
    growing: bool


_FIRST_NAMES = {"width": "d_model", "head_width": "d_head"}
"""The keys of `Settings.dimensions` in the first studies, and what they are called now."""


def described(folder: Path) -> Description:
    """Return what a folder's ``study.json`` says.

    Raises
    ------
    StudyError
        When the folder holds no study, or one of another version.
    """
    file = folder / "study.json"
    try:
        found = decode_file(file.read_bytes(), StudyFile, FORMAT, VERSION)
    except OSError as reason:
        raise StudyError(f"There is no study in {absolute(folder)} ({reason.strerror or reason}).") from reason
    except ValueError as reason:
        raise StudyError(f"{file} describes no study: {reason}.") from reason
    dimensions = {_FIRST_NAMES.get(name, name): size for name, size in found.settings.dimensions.items()}
    settings = msgspec.structs.replace(found.settings, dimensions=dimensions)
    return Description(settings, found.n_prompts, found.growing)


def open_study(folder: Path, settings: Settings, n_prompts: int, *, extend: bool = False) -> bool:
    """Make a study's folder, or open the one that exists to continue its study; tell whether parts may lack something.

    Parameters
    ----------
    folder : Path
    settings : Settings
    n_prompts : int
    extend : bool
        Whether the settings may have more measures, masks modes, baselines and sizes than those in the folder.

    Raises
    ------
    StudyError
        When nothing can be written to the folder, or when it holds a study of other settings; names the differences.
    """
    growing = False
    try:
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        if (folder / "study.json").exists():
            old = described(folder)
            growing = old.growing or (extend and old.settings != settings)
            if growing and extend:
                refuse_less(str(folder), old.settings, settings)
            refuse_other_settings(old.settings, settings, str(folder), but=GROWING if extend else ())
        describe(folder, settings, n_prompts, growing=growing)
    except OSError as reason:
        raise StudyError(f"The study cannot be written to {absolute(folder)}: {reason}.") from reason
    return growing


def describe(folder: Path, settings: Settings, n_prompts: int, *, growing: bool = False) -> None:
    """Write ``study.json``, whole or not at all."""
    plain = msgspec.to_builtins(StudyFile(FORMAT, VERSION, n_prompts, settings, growing))
    if not growing:
        del plain["growing"]  # what was grown is what would have been written at once
    write_file(folder / "study.json", encode(plain) + b"\n")


def refuse_other_settings(old: Settings, new: Settings, where: str, other: str = "", but: Iterable[str] = ()) -> None:
    """Refuse to continue a study with other settings, or to join it with another folder's study that has them."""
    was, now = msgspec.structs.asdict(old), msgspec.structs.asdict(new)
    changed = [name for name in now if was[name] != now[name] and name not in but]
    if not changed:
        return
    if other:
        differences = [f"{name} is {was[name]!r} and there {now[name]!r}" for name in changed]
        advice = "Only runs with the same settings are one study."
    else:
        differences = [f"{name} was {was[name]!r} and is now {now[name]!r}" for name in changed]
        advice = "Give another folder, or the settings that it was begun with."
        if set(changed) <= set(GROWING):
            advice += " With extend=True, more of these are added to it."
    than = f" than {other!r}" if other else ""
    raise StudyError(f"{where!r} holds a study of other settings{than}: {'; '.join(differences)}. {advice}")


def part_name(order: str, prompt_id: str) -> str:
    """Return the name of a prompt's folder: sorted by name, the parts are in the prompts' order."""
    return f"{order}-{re.sub(r'[^A-Za-z0-9@._-]+', '-', prompt_id)[:60]}"


def finished_parts(folder: Path) -> list[Path]:
    """Return the folders of the prompts that are done, in the prompts' order; what others put beside them is none."""
    there = list((folder / "parts").iterdir())
    if aside := [part.name for part in there if part.match(f"{UNFINISHED}*{REPLACED}")]:
        put_back(folder, [name.removeprefix(UNFINISHED).removesuffix(REPLACED) for name in aside], STOPPED)
        there = list((folder / "parts").iterdir())
    return sorted(part for part in there if not part.name.startswith((UNFINISHED, ".")) and (part / DONE).is_file())


def without_damaged(parts: Iterable[Path]) -> list[Path]:
    """Return the parts whose files are what was written; the others are put aside to be run again, and are named."""
    parts = list(parts)
    sound, wrong = [], {}
    for part in parts:
        if what := damage(part):
            wrong[part] = what
        else:
            sound.append(part)
    for part in wrong:
        with changing(part):
            aside = part.with_name(f"{UNFINISHED}{part.name}{REPLACED}")
            if aside.exists():
                shutil.rmtree(aside)
            part.rename(aside)  # and goes with what else is unfinished
    if wrong:
        warnings.warn(
            f"The results of {', '.join(sorted(part.name for part in wrong))} are damaged, and are made again. "
            f"{next(iter(wrong.values()))}",
            stacklevel=5,
        )
    return sound


def remove_unfinished(folder: Path, names: Iterable[str]) -> None:
    """Remove what a stop left half written of some parts; others may be at work on the rest."""
    mine = {f"{UNFINISHED}{name}{end}" for name in names for end in ("", REPLACED)}
    with changing(folder):
        for leftover in (folder / "parts").glob(f"{UNFINISHED}*"):
            if leftover.name in mine:
                shutil.rmtree(leftover)


def put_back(folder: Path, names: Iterable[str], after: float = 0.0) -> None:
    """Put back the results of prompts whose run was stopped between taking them away and putting the new ones there.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Of parts.
    after : float
        Seconds that this must have been ago: whoever runs them may just be there.
    """
    for name in names:
        part = folder / "parts" / name
        aside = part.with_name(f"{UNFINISHED}{name}{REPLACED}")
        with suppress(OSError):  # else they are run again
            if time.time() - aside.stat().st_ctime >= after and not part.exists() and not damage(aside):
                aside.rename(part)


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Tell what goes wrong where a study's folder is changed.

    Raises
    ------
    StudyError
    """
    try:
        yield
    except OSError as reason:
        if isinstance(reason, StudyError):
            raise
        raise StudyError(f"The study in {absolute(folder)} cannot be gone on with: {reason}.") from reason


def part_files(tables: Mapping[str, pa.Table], arrays: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a part by name.

    Parameters
    ----------
    tables : dict of Table
        From `strace_widgets.studies.tables.as_tables`.
    arrays : dict
        By file name: an array for ``.npy``, a dict of arrays for ``.npz``, the bytes of others.
    """
    files = {f"{name}.parquet": table_bytes(table) for name, table in tables.items()}
    for file, values in arrays.items():
        if isinstance(values, bytes):
            files[file] = values
            continue
        written = io.BytesIO()
        if isinstance(values, dict):
            np.savez_compressed(written, **values)
        else:
            np.save(written, values, allow_pickle=False)
        files[file] = written.getvalue()
    return files


def write_part(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Write the results of one prompt, in place of those that are there.

    Parameters
    ----------
    folder : Path
        Of the study.
    name : str
        From `part_name`.
    files : dict of bytes
        From `part_files`. Other files of a part that is there are kept.
    """
    part = folder / "parts" / name
    unfinished, replaced = (part.with_name(f"{UNFINISHED}{name}{end}") for end in ("", REPLACED))
    unfinished.mkdir()
    whole = dict(files)
    if part.exists():
        others = (kept for kept in part.iterdir() if kept.name != SUMS and not kept.name.startswith("."))
        whole |= {kept.name: kept.read_bytes() for kept in others if kept.name not in files and kept.is_file()}
    for file, content in (whole | {SUMS: sums_of(whole)}).items():
        (unfinished / file).write_bytes(content)
    if part.exists():
        part.rename(replaced)  # after a stop here, `put_back` puts it back
    try:
        unfinished.rename(part)
    except OSError:
        put_back(folder, [name])
        raise
    if replaced.exists():
        shutil.rmtree(replaced)


def statuses(parts: list[Path]) -> list[dict[str, Any]]:
    """Return ``prompt_id``, ``text``, ``status`` and ``reason`` of some parts."""
    found: list[dict[str, Any]] = read_table("prompts", parts, ["prompt_id", "text", "status", "reason"]).to_dict(
        "records"
    )
    return found
