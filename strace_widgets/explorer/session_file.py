"""Session files: what a person did in the Explorer, as JSON. The trace itself is not in them: it is computed again.

The browser's Save button writes the same file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ..errors import NonFiniteError, SessionFileError
from ..json_files import Header, decode_file, encode_readable
from ..paths import read_file, write_file
from ..results import tried, upgrade
from ..results.switching_off import nothing_known
from . import groups
from .contract import VERSION, Shade
from .groups import LONGEST_NOTE
from .settings import Settings
from .view_state import effects_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..paths import AnyPath
    from ..results.effects import Effects, Kept
    from ..results.strace import STrace
    from .groups_contract import Group
    from .session import Session

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
    shade : str
        What the cells of heads and MLPs are shaded by.
    effects : dict, optional
        What is known of each head and MLP: see `strace_widgets.explorer.contract.EffectMap`.
    groups : list of dict
        The heads and MLPs that have a name: see `strace_widgets.explorer.contract.Group`.
    note : str
        What was noted.
    """

    format: str = FORMAT
    version: int = VERSION
    model: str
    settings: Settings
    n_edges: int
    toggles: dict[str, str]
    history: dict[str, Any]
    shade: Shade = "share"
    effects: dict[str, Any] | None = None
    groups: list[dict[str, Any]] = msgspec.field(default_factory=list)
    note: Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)] = ""


def groups_of(saved: SavedSession, trace: STrace) -> list[Group]:
    """Return the groups of a session file.

    Raises
    ------
    SessionFileError
        When they are none of this model.
    """
    try:
        return groups.parsed(saved.groups, trace)
    except ValueError as reason:
        raise SessionFileError(f"The session file has groups that cannot be shown: {reason}") from reason


def session_of(saved: SavedSession, session: Session) -> tuple[Session, dict[str, str]]:
    """Return the session that a file goes on with, from the one that is open, and its toggles.

    Raises
    ------
    SessionFileError
        When there can be no such session on this model.
    """
    try:
        found = session.with_settings(saved.settings)
        return found, found.trace.parsed(saved.toggles).plain()
    except ValueError as reason:
        raise SessionFileError(f"The session file cannot be gone on with here: {reason}") from reason


def effects_in(effects: Mapping[str, Any] | None, session: Session) -> dict[Kept, Effects]:
    """Return what a session file knows of the heads and MLPs of a session's trace, where nothing is known yet.

    Raises
    ------
    SessionFileError
        When the file says it of other heads, or says no such thing.
    """
    if effects is None:
        return {}
    trace, modes = session.trace, session.effect_modes
    kept, nothing = nothing_known(trace, "component", trace.n_edges, modes)
    if kept in trace.effect_maps:
        return {}
    try:
        if (effects["answer"], effects["rival"]) != (nothing.answer.token, nothing.rival.token):
            return {}  # those of another question
        return {kept: effects_of(effects, trace, modes)}
    except (ValueError, KeyError, TypeError) as reason:
        raise SessionFileError(f"The session file has no effects of this trace: {reason}.") from reason


def write(path: AnyPath, saved: SavedSession) -> Path:
    """Write a session file and return its path.

    Raises
    ------
    SessionFileError
        When it could not be read again: the browser keeps the history, and may have kept something else.
    """
    plain = msgspec.structs.asdict(saved) | {"settings": saved.settings.plain()}
    try:
        content = encode_readable(plain, SavedSession, FORMAT, VERSION)
        tried.check(saved.history)
    except NonFiniteError:
        raise
    except ValueError as reason:
        raise SessionFileError(f"The session is not written, since it could not be read again: {reason}.") from reason
    return write_file(path, content)


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
        tried.check(saved.history)
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        raise SessionFileError(f"{path} is no session file that can be read: {reason}.") from reason
    if saved.model != model_name:
        raise SessionFileError(f"{path} was saved with the model {saved.model}, but this session runs {model_name}.")
    return saved
