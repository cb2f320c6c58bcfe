"""The Explorer of a prompt whose trace a study keeps, as it would open: so that it can be looked into without a model.

It is the state of an exported page: JSON, compressed, one file a measure.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

from ..errors import StudyError, first_line
from ..explorer.session import Session
from ..explorer.shown import encoded, state_of
from .checksums import check, was_written

if TYPE_CHECKING:
    from pathlib import Path

    from ..results.strace import STrace
    from .settings import Settings

LARGEST = 1 << 28
"""Bytes that a view may unpack to."""


def view_file(importance: str) -> str:
    """Return the name of the file of a measure's view in a part."""
    return f"view-{importance}.json.gz"


def view_bytes(traced: STrace, settings: Settings) -> bytes:
    """Return what an Explorer shows of a trace under the study's first masks mode: the same bytes for the same state.

    The modes of attention that an Explorer does not offer are left at its own.
    """
    session = Session(traced, masks=settings.masks[0], ablation=settings.ablation)
    return gzip.compress(encoded(state_of(session)).encode(), compresslevel=9, mtime=0)


def read_view(part: Path, importance: str) -> dict[str, Any]:
    """Return the state that was kept of a prompt.

    Parameters
    ----------
    part : Path
    importance : str

    Raises
    ------
    StudyError
        When there is none, or it is damaged.
    """
    file = view_file(importance)
    if not was_written(part, file):
        raise StudyError(
            f"The study kept no Explorer of the prompt in {part.name} by {importance!r}: run it with keep_traces=True, "
            "or give the model, as study.explore(model=...)."
        )
    check(part, file)
    try:
        state = json.loads(_unpacked((part / file).read_bytes()))
    except (OSError, ValueError, RecursionError, zlib.error) as reason:
        raise StudyError(f"The Explorer in {part / file} cannot be read: {first_line(reason)}.") from reason
    if not isinstance(state, dict) or not isinstance(state.get("view_state"), dict):
        raise StudyError(f"{part / file} holds no Explorer.")
    return state


def _unpacked(content: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # with the header of gzip
    plain = unpacking.decompress(content, LARGEST)
    if not unpacking.eof:
        raise ValueError("it is cut off, or unpacks to more than it may")
    return plain
