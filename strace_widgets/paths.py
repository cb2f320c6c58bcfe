"""The paths that people give: one rule for all of them.

A path is a str or anything that `os.PathLike` stands for. ``~`` is the home folder. Where we write, a folder that is
missing is made, and a file appears whole or not at all; where we read, a file that is missing is named with its whole
path, since what was given may be relative to a folder that nobody has in mind.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import MissingFileError, PathError

if TYPE_CHECKING:
    from collections.abc import Iterator

AnyPath = str | os.PathLike[str]
"""What every public function takes for a path."""

LEFT = 24 * 3600.0
"""Seconds after which nobody writes on at an unfinished file."""


def expanded(path: AnyPath) -> Path:
    """Return a path with the home folder in place of ``~``.

    Raises
    ------
    PathError
        When there is no such user, or when it is an address of the web or a store.
    TypeError
        When it is no path.
    """
    given = os.fspath(path)
    if not isinstance(given, str):
        raise TypeError(f"A path is text, such as '~/traces/paris.strace'; {given!r} is {type(given).__name__}.")
    if is_address(given):
        raise PathError(
            f"{without_password(given)!r} is an address, and only a study can be kept at one: give a path here."
        )
    try:
        return Path(given).expanduser()
    except RuntimeError as reason:
        raise PathError(f"{given!r} names the home folder of a user who has none here.") from reason


def is_address(text: str) -> bool:
    """Return whether a text is the address of something elsewhere, as fsspec has them: ``s3://...``, ``zip::s3://...``."""
    return re.match(r"([A-Za-z][A-Za-z0-9+.-]+::)*[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def without_password(address: str) -> str:
    """Return an address without the name and password that may stand in it, for a sentence."""
    return re.sub(r"//[^/]*@", "//", address)


def is_path(value: object) -> bool:
    """Return whether a value is a path, or a text that can only be one: where a hub's name could stand as well."""
    if isinstance(value, str):
        return value.startswith(("~", "./", "../", "/")) or value in (".", "..") or Path(value).is_absolute()
    return isinstance(value, os.PathLike)


def read_file(path: AnyPath, what: str) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    path : str or path
    what : str
        What it should be, for the sentence: "a saved trace".

    Raises
    ------
    MissingFileError
        When it is not there.
    PathError
        When it cannot be read, such as a folder.
    """
    with reading(path, what) as file:
        return file.read_bytes()


@contextmanager
def reading(path: AnyPath, what: str) -> Iterator[Path]:
    """Give the path of a file to read, and tell what goes wrong with it there in a sentence: see `read_file`."""
    file = expanded(path)
    try:
        yield file
    except FileNotFoundError as reason:
        raise MissingFileError(f"There is no file {absolute(file)}: {what} was to be read from it.") from reason
    except OSError as reason:
        if isinstance(reason, PathError):
            raise
        raise PathError(f"{absolute(file)} cannot be read as {what} ({reason.strerror or reason}).") from reason


@contextmanager
def writing(path: AnyPath) -> Iterator[Path]:
    """Give a path beside a file to write to, which takes the file's name once all is written.

    Raises
    ------
    PathError
        When it cannot be written; names the whole path. What was there under its name is still there.
    """
    file = expanded(path)
    target = file.resolve()  # a link stays a link
    special = target.exists() and not target.is_file()  # a device, say: nothing takes its place
    # Several machines may share the folder, and two of their processes a number.
    unfinished = target if special else target.with_name(f"{_begun(target)}{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        if target.is_dir():
            raise IsADirectoryError(None, "it is a folder: give a file in it")
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        yield unfinished
        if not special:
            _reach_the_disk(unfinished)
            unfinished.replace(target)
    except (FileExistsError, NotADirectoryError) as reason:
        raise PathError(f"{absolute(file)} cannot be written (what should be its folder is a file).") from reason
    except OSError as reason:
        raise PathError(f"{absolute(file)} cannot be written ({reason.strerror or reason}).") from reason
    finally:
        with suppress(OSError):  # what is wrong with the disk was said; the next write here removes it
            if not special:
                unfinished.unlink(missing_ok=True)


def _reach_the_disk(file: Path) -> None:
    """Wait until a file is on the disk: some say only then that it is full or broken, when nothing is replaced yet."""
    with file.open("rb+") as written:
        os.fsync(written.fileno())


def _begun(target: Path) -> str:
    """Return what the names of a file's unfinished versions begin with; names may not be much longer than 200 bytes."""
    return f".{os.fsdecode(os.fsencode(target.name)[:200])}."


def _remove_leftovers(target: Path) -> None:
    """Remove unfinished versions of a file whose process was killed long ago; on which machine, nobody knows."""
    named = re.compile(rf"{re.escape(_begun(target))}\d+-[0-9a-f]{{8}}\.part")
    with suppress(OSError):  # another process may remove them as well
        for leftover in target.parent.iterdir():
            if named.fullmatch(leftover.name) and since(leftover) > LEFT:
                leftover.unlink()


def since(path: Path) -> float:
    """Return how many seconds ago a file or folder was last changed."""
    return time.time() - path.stat().st_mtime


def write_file(path: AnyPath, content: bytes) -> Path:
    """Write a file, whole or not at all, in a folder that is made if need be; return its path, see `writing`."""
    with writing(path) as unfinished:
        unfinished.write_bytes(content)
    return expanded(path)


def absolute(path: Path) -> str:
    """Return a path in whole, for a sentence."""
    return str(path.absolute())
