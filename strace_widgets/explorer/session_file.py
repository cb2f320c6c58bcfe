"""Session files: what a person did in the Explorer, as JSON. The trace itself is not in them: it is computed again.

The browser's Save button writes the same file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import SessionFileError
from ..json_files import Header, decode_file, encode
from ..paths import read_file, write_file
from ..results import upgrade
from .contract import VERSION
from .session import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from ..paths import AnyPath

FORMAT = "strace-session"


class SavedSession(Header, kw_only=True):
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


def write(path: AnyPath, saved: SavedSession) -> Path:
    """Write a session file and return its path."""
    return write_file(path, encode(msgspec.structs.asdict(saved) | {"settings": saved.settings.plain()}))


def read(path: AnyPath, model_name: str) -> SavedSession:
    """Read a session file.

    Raises
    ------
    SessionFileError
        When it is not one, of another version, or of another model; says which.
    PathError
        When it cannot be read.
    """
    content = read_file(path, "a session")
    try:
        saved = decode_file(content, SavedSession, FORMAT, VERSION)
        if saved.version == 1:
            saved = msgspec.structs.replace(saved, version=VERSION, history=upgrade.history(saved.history))
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        raise SessionFileError(f"{path} is no session file that can be read: {reason}.") from reason
    if saved.model != model_name:
        raise SessionFileError(f"{path} was saved with the model {saved.model}, but this session runs {model_name}.")
    return saved
