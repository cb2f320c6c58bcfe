"""The checksums of a prompt's files, which tell damage from results: a Parquet file itself does not notice it.

Each part of a study has a file of them. Parts of before there was one are taken as they are.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StraceError, StudyError
from ..json_files import decode, encode
from ..paths import absolute
from ..results.members import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUMS = "sha256.json"
"""The file of a part that has the checksums of the others."""


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """Return what the file of checksums holds."""
    return encode({name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())})


def check(part: Path, *names: str) -> None:
    """Refuse a part of which a file is not what was written.

    Parameters
    ----------
    part : Path
    *names : str
        Of these files alone; without any, of all.

    Raises
    ------
    StudyError
        Names the file.
    """
    written = _written(part)
    for name in names or written:
        if name not in written:
            continue
        try:
            with (part / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as reason:
            raise _damaged(part / name, reason.strerror or str(reason)) from reason
        if found != written[name]:
            raise _damaged(part / name, "its checksum is another")


def was_written(part: Path, name: str) -> bool:
    """Return whether a part has a file, or had it.

    Raises
    ------
    StudyError
        When its checksums cannot be read.
    """
    return (part / name).exists() or name in _written(part)


def _written(part: Path) -> dict[str, str]:
    try:
        return decode((part / SUMS).read_bytes(), dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as reason:
        raise _damaged(part / SUMS, str(reason)) from reason


@contextmanager
def arrays_of(part: Path, name: str) -> Iterator[Any]:
    """Give what `numpy.load` reads of a part's file, and tell what is wrong with it.

    Raises
    ------
    StudyError
    """
    check(part, name)
    try:
        found = np.load(part / name, allow_pickle=False)
        with found if name.endswith(".npz") else nullcontext(found) as arrays:
            yield arrays
    except (*DAMAGED, OSError, KeyError) as reason:
        if isinstance(reason, StraceError):
            raise
        raise _damaged(part / name, f"{type(reason).__name__}: {reason}") from reason


def damage(part: Path) -> str:
    """Return what is wrong with a part, in a sentence; nothing where it is as it was written."""
    try:
        check(part)
    except StudyError as reason:
        return str(reason)
    return ""


def _damaged(file: Path, why: str) -> StudyError:
    return StudyError(
        f"{absolute(file)} is not what the study wrote ({why}). The same call that made the study repairs it: it runs "
        "the prompt once more."
    )
