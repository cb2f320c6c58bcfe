"""The members of a saved trace's zip file: written piece by piece, and read with checks that everything passes."""

from __future__ import annotations

import hashlib
import math
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StraceError, TraceFileError
from . import edge_coding
from .npy import unpacked
from .trace_manifest import Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..graph.edges import Array, Edges, Graph

ARRAY_HEADER = 4096
"""Bytes that the header of an array may take at most; it takes 128."""

LARGE, LARGE_JSON, LARGE_TOGETHER = 1 << 23, 1 << 20, 1 << 26
"""Bytes from which on a member, JSON, and all members together, may not be much smaller in the file: by
`edge_coding.SHRINKING`. JSON is the smallest, since what is made of it takes many times its bytes."""


DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, RuntimeError)
"""The ways in which zipfile says that an archive is damaged, or none that it reads: in a name, say, or an offset."""


def compression(name: str, content: bytes) -> int:
    """Return how the bytes of a member are to be held, so that the reader believes how many there are."""
    if name == "full_logits.npy":  # these say how many probabilities the reader makes room for
        return zipfile.ZIP_STORED
    small = len(content) <= (LARGE_JSON if name.endswith(".json") else LARGE)
    believed = small or len(content) <= len(zlib.compress(content)) * edge_coding.SHRINKING
    return zipfile.ZIP_DEFLATED if believed else zipfile.ZIP_STORED


def write(
    archive: zipfile.ZipFile,
    name: str,
    pieces: Iterable[bytes],
    compression: int = zipfile.ZIP_DEFLATED,
    most_bytes: int = 0,
) -> Member:
    """Write a member piece by piece, and return what the manifest says of it."""
    entry = zipfile.ZipInfo(name)  # no time of day: the same trace gives the same file
    entry.compress_type, entry.file_size = compression, most_bytes
    digest, n_bytes = hashlib.sha256(), 0
    with archive.open(entry, "w") as stream:
        for piece in pieces:
            stream.write(piece)
            digest.update(piece)
            n_bytes += len(piece)
    return Member(n_bytes, digest.hexdigest())


def opened_archive(file: Path) -> zipfile.ZipFile:
    """Open a saved trace's archive.

    Raises
    ------
    TraceFileError
        When it is none, or damaged.
    """
    try:
        return zipfile.ZipFile(file)
    except DAMAGED as reason:
        raise TraceFileError(f"{file} is no saved trace, or was cut off: {reason}.") from reason


class Members:
    """The members of an open file.

    Attributes
    ----------
    path : Path
    archive : ZipFile
    entries : dict of ZipInfo
        What the zip file says of each, by name.
    written : dict of Member
        What the manifest says of them.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        self.entries = {entry.filename: entry for entry in archive.infolist()}
        self.written: dict[str, Member] = {}
        if "manifest.json" not in self.entries:
            raise TraceFileError(f"{path} is no saved trace: it has no manifest.json.")
        if sum(entry.compress_size for entry in self.entries.values()) > path.stat().st_size:
            raise TraceFileError(f"{path} is no saved trace, or was cut off: its members have more bytes than it.")
        for member in self.entries:
            self.refuse_claim(member)
        together = sum(entry.file_size for entry in self.entries.values())
        if together > max(LARGE_TOGETHER, path.stat().st_size * edge_coding.SHRINKING):
            raise TraceFileError(f"{path} cannot be used: its members have {together:,} bytes, too many for the file.")

    def no_others(self) -> None:
        """Refuse members that the manifest does not name, and two of one name."""
        unknown = sorted(set(self.entries) - {"manifest.json"} - set(self.written))
        if unknown or len(self.entries) != len(self.archive.infolist()):
            raise self.wrong(unknown[0] if unknown else "manifest.json", "does not belong into the file")

    def refuse_claim(self, member: str) -> None:
        """Refuse a member that stands for many more bytes than it has in the file."""
        entry = self.entries[member]
        least = LARGE_JSON if member.endswith(".json") else LARGE
        if entry.file_size > max(least, entry.compress_size * edge_coding.SHRINKING):
            raise self.wrong(member, f"has {entry.file_size:,} bytes, too many for what it takes in the file")

    def wrong(self, member: str, what: str) -> TraceFileError:
        """Return the error that says what is wrong with a member."""
        return TraceFileError(f"{self.path} cannot be used: {member} {what}.")

    def read(self, member: str, most: int) -> bytes:
        """Return a member that is not larger than it may be, uncompressed."""
        if member not in self.entries:
            raise self.wrong(member, "is missing")
        size = self.entries[member].file_size
        if size > most:
            raise self.wrong(member, f"has {size:,} bytes, more than the {most:,} that it may have")
        try:
            return self.archive.read(member)
        except (*DAMAGED, OSError) as reason:
            raise self.wrong(member, f"is damaged ({reason})") from reason

    def checked(self, member: str, most: int) -> bytes:
        """Return a member that is what the manifest says."""
        content = self.read(member, most)
        written = self.written[member]
        if len(content) != written.bytes or hashlib.sha256(content).hexdigest() != written.sha256:
            raise self.wrong(member, "is not what was saved: its checksum in manifest.json is another")
        return content

    def array(self, member: str, dtype: Any, *shape: int) -> Array:
        """Return an array of a known type and shape."""
        content = self.checked(member, math.prod(shape) * np.dtype(dtype).itemsize + ARRAY_HEADER)
        with self.saying(member):
            return unpacked(content, dtype, shape)

    def edges(self, member: str, graph: Graph, dtype: Any, outside: int) -> Edges:
        """Return the values of all edges, which `edge_coding` wrote."""
        content = self.checked(member, edge_coding.most_bytes(graph))
        if self.entries[member].compress_type != zipfile.ZIP_STORED:
            raise self.wrong(member, "is compressed twice")
        with self.saying(member):
            return edge_coding.decoded(content, graph, dtype, outside)

    @contextmanager
    def saying(self, member: str) -> Iterator[None]:
        """Name the member of which a `ValueError` is said."""
        try:
            yield
        except ValueError as reason:
            raise self.wrong(member, str(reason)) from reason

    @contextmanager
    def describing(self, member: str) -> Iterator[None]:
        """Name the member at fault where what follows from it fails, and no member was named yet."""
        try:
            yield
        except TraceFileError:
            raise
        except (StraceError, KeyError, TypeError, ValueError, AttributeError) as reason:
            what = f"does not describe a trace ({type(reason).__name__}: {reason})"
            raise self.wrong(member, what) from reason
