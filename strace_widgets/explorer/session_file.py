"""Session files: what a person did in the Explorer, as JSON. The trace itself is not in them: it is computed again.

The browser's Save button writes the same file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import SessionFileError
from .session import Settings

if TYPE_CHECKING:
    from pathlib import Path

Content = TypeVar("Content")

FORMAT, VERSION = "strace-session", 1


class Header(msgspec.Struct, frozen=True):
    """What a file of any version has."""

    format: str
    version: int


class SavedSession(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a session file.

    Attributes
    ----------
    model : str
        Its name.
    settings : Settings
    n_edges : int
    toggles : dict
    history : dict
        What was tried, as the browser keeps it.
    """

    format: str = FORMAT
    version: int = VERSION
    model: str
    settings: Settings
    n_edges: int
    toggles: dict[str, str]
    history: dict[str, Any]


def write(path: Path, saved: SavedSession) -> None:
    """Write a session file."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(saved), indent=1))


def read(path: Path, model_name: str) -> SavedSession:
    """Read a session file.

    Raises
    ------
    SessionFileError
        When it is not one, of another version, or of another model; says which.
    """
    content = path.read_bytes()
    header = _decoded(path, content, Header)
    if header.format != FORMAT:
        raise SessionFileError(f"{path} is no session file of strace_widgets: its format is {header.format!r}.")
    if header.version != VERSION:
        raise SessionFileError(
            f"{path} is a session file of version {header.version}; this package reads version {VERSION}."
        )
    saved = _decoded(path, content, SavedSession)
    if saved.model != model_name:
        raise SessionFileError(f"{path} was saved with the model {saved.model}, but this session runs {model_name}.")
    return saved


def _decoded(path: Path, content: bytes, kind: type[Content]) -> Content:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise SessionFileError(
            f"{path} is no session file of strace_widgets ({type(reason).__name__}: {reason})."
        ) from reason
