"""Why the curve jumps, in the Explorer: a round a request, so that sizes are answered in between; asked only once."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ..results.jumps import JumpSearch

if TYPE_CHECKING:
    from .jumps_contract import Jump
    from .messages import Show, Work
    from .requests import Progress
    from .session import Session


class Why(traitlets.HasTraits):
    """The part of `strace_widgets.explorer.widget.Explorer` that looks into jumps; a session keeps what was found."""

    session: Session
    jumps: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def _rest(self, **about: Any) -> None:
        """Say that a request has ended."""
        raise NotImplementedError

    def _why(self, content: dict[str, Any], progress: Progress) -> Show:
        session, (lower, upper) = self.session, content["n_edges"]
        if any(jump["n_edges"] == [lower, upper] for jump in session.jumps):
            return partial(self._show_jumps, session)
        return self._look(session, JumpSearch(session.trace, lower, upper, asdict(session.modes)), progress)

    def _look(self, session: Session, search: JumpSearch, progress: Progress) -> Show:
        """Look at the next sizes; what shows that returns the next round."""
        progress(f"looking into the jump: {len(search.known)} sizes so far", search.settled)
        search.step()

        def show() -> Work | None:
            if not search.ended:
                return partial(self._look, session, search)
            session.jumps = [*session.jumps, found(search)]
            self._show_jumps(session)
            return None

        return show

    def _show_jumps(self, session: Session) -> None:
        if session is self.session:
            self.jumps = session.jumps
        self._rest()


def found(search: JumpSearch) -> Jump:
    """Return what a search has found as the views read it."""
    ends = [search.lower, search.upper]
    edges = [
        edge._asdict() | {"before": round(edge.before, 5), "after": round(edge.after, 5)} for edge in search.edges()
    ]
    return cast(
        "Jump", {"n_edges": ends, "total_variation": [round(search.known[end], 5) for end in ends], "edges": edges}
    )
