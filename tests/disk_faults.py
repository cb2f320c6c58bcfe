"""A disk that fails: every call that changes something below a folder is counted, and one of them goes wrong.

It fails with an error of the system's, or the process ends there as if it was killed: whatever it calls after that
changes nothing any more, its own cleaning up included. A write that goes wrong has written half.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CALLS = ("mkdir", "replace", "rename", "unlink", "remove", "rmdir", "fsync", "open")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS)
KILL = -1


class Killed(BaseException):
    """Stands where a process ends: nothing in it goes on."""


@dataclass
class Disk:
    """What is done below a folder.

    Attributes
    ----------
    root : Path
    at : int
        Which call goes wrong; none below 0.
    how : int
        With which error, or `KILL`.
    lasting : bool
        Whether those after it go wrong as well: a full disk stays full.
    """

    root: Path
    at: int = -1
    how: int = KILL
    lasting: bool = False
    calls: list[str] = field(default_factory=list)
    hit: bool = False

    def step(self, call: str, *paths: Any, half: Callable[[], None] | None = None) -> None:
        """Count a call, and let it go wrong if it is its turn."""
        if not any(str(self.root) in os.fspath(path) for path in paths if isinstance(path, (str, os.PathLike))):
            return
        if self.hit and self.how == KILL:
            raise Killed
        number = len(self.calls)
        self.calls.append(call)
        frees = call in {"unlink", "remove", "rmdir"} and self.how in {errno.ENOSPC, errno.EIO}
        if number == self.at or (self.hit and self.lasting and not frees):
            self.hit = True
            if half:
                half()
            if self.how == KILL:
                raise Killed
            raise OSError(self.how, os.strerror(self.how), *map(str, paths[:1]))


class File(io.FileIO):
    """A file of which each write may go wrong."""

    disk: Disk

    def write(self, content: Any) -> int:
        content = bytes(content)
        self.disk.step("write", self.name, half=lambda: super(File, self).write(content[: len(content) // 2]) and None)
        return super().write(content)

    def close(self) -> None:
        if not self.closed:
            super().close()


@contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Put a disk in the place of the real one, for what writes through Python."""
    with pytest.MonkeyPatch.context() as patched:
        for name in CALLS:
            honest = getattr(os, name)

            def call(*paths: Any, honest: Any = honest, name: str = name, **options: Any) -> Any:
                reads = name == "open" and not (paths[1] if len(paths) > 1 else 0) & (os.O_WRONLY | os.O_RDWR)
                if not reads:
                    where = [names.get(paths[0], "")] if name == "fsync" else paths[:2]
                    disk.step(name, *where)
                return honest(*paths, **options)

            patched.setattr(os, name, call)
        names: dict[int, str] = {}
        opened = io.open

        def open_file(path: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            if not set(mode) & set("wxa+") or str(disk.root) not in os.fspath(path):
                return opened(path, mode, *args, **options)
            disk.step("open", path)
            raw = File(path, mode.replace("b", "").replace("t", ""))
            raw.disk = disk
            names[raw.fileno()] = str(path)
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *args[1:], **options)

        patched.setattr(io, "open", open_file)
        try:
            yield disk
        except Killed:
            assert disk.hit
