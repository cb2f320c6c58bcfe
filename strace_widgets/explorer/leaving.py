"""What an Explorer leaves behind: files of the trace and of the session, which it goes on with, programs, a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import TraceFileError
from ..results import tried
from . import session_file

if TYPE_CHECKING:
    from pathlib import Path

    from ..paths import AnyPath
    from ..results.strace import STrace
    from .html_page import Embedded, KnownToggles
    from .session import Session


class Leaving:
    """The part of `strace_widgets.explorer.widget.Explorer` that writes what it shows."""

    session: Session
    view_state: Any
    n_edges: Any
    toggles: Any
    history: Any
    shade: Any
    effects: Any
    groups: Any
    note: Any

    @property
    def trace(self) -> STrace:
        """The trace that is shown."""
        return self.session.trace

    def complete_levels(self) -> None:
        """Run the levels that are not there yet."""
        raise NotImplementedError

    def _show_session(
        self, session: Session, n_edges: int | None, toggles: dict[str, str] | None, history: dict[str, Any] | None
    ) -> None:
        """Replace the session."""
        raise NotImplementedError

    def save(self, path: AnyPath) -> Path:
        """Write the trace, with what was tried on it, to one file that opens without a model; return its path.

        See `strace_widgets.STrace.save`.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        TraceFileError
            When the browser kept a history that could not be read again.
        """
        from ..results.trace_file import save_trace  # noqa: PLC0415 - only when asked
        from .shown import encoded, shown  # noqa: PLC0415

        view = encoded(shown(self))
        try:
            tried.check(self.history)
        except ValueError as reason:
            raise TraceFileError(
                f"The trace is not written, since what was tried on it could not be read again: {reason}. "
                "explorer.trace.save(path) writes it without."
            ) from reason
        return save_trace(self.trace, path, view)

    def save_session(self, path: AnyPath) -> Path:
        """Write what was done here, without the trace, to a small JSON file; return its path. See `load_session`.

        Parameters
        ----------
        path : str or Path
        """
        saved = session_file.SavedSession(
            model=self.trace.model.name,
            settings=self.session.settings,
            n_edges=self.n_edges,
            toggles=self.toggles,
            history=self.history,
            shade=self.shade,
            effects=self.effects,
            groups=self.groups,
            note=self.note,
        )
        return session_file.write(path, saved)

    def load_session(self, path: AnyPath) -> None:
        """Go on with a session that was saved; nothing changes when the file cannot be read.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        SessionFileError
            When it is no session file, of another version or model, or asks for what there is not.
        """
        saved = session_file.read(path, self.trace.model.name)
        groups = session_file.groups_of(saved, self.trace)
        session, toggles = session_file.session_of(saved, self.session)
        session.trace.effect_maps.update(session_file.effects_in(saved.effects, session))
        self.shade, self.groups, self.note = saved.shade, groups, saved.note
        self._show_session(session, saved.n_edges, toggles, saved.history)

    def code(self) -> dict[str, str]:
        """Return two programs that reproduce the numbers on screen: with this package, and with nnsight alone."""
        return self.session.code(self.n_edges, self.toggles)

    def to_html(self, path: AnyPath, *, toggles: KnownToggles = None) -> Path:
        """Write the Explorer as it stands as one page that needs no kernel and no network; return its path.

        See `strace_widgets.to_html`.

        Parameters
        ----------
        path : str or Path
        toggles : {None, "single"}
            As for `strace_widgets.to_html`.
        """
        from .html_page import to_html  # noqa: PLC0415 - only when asked

        return to_html(self, path, toggles=toggles)

    def embed(self, height: int = 860, *, toggles: KnownToggles = None) -> Embedded:
        """Return the Explorer as it stands as a page inside the notebook, which every document made of it keeps.

        A widget needs a kernel, and in an exported page a script from elsewhere; the frame needs neither.

        Parameters
        ----------
        height : int
            In pixels.
        toggles : {None, "single"}
            As for `strace_widgets.to_html`.
        """
        from .html_page import Embedded  # noqa: PLC0415 - only when asked

        return Embedded(self, height, toggles)
