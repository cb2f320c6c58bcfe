"""What comes into an Explorer while one looks: a part a request, each shown as it comes.

The levels come coarse to fine, and what each head and MLP does a batch at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import CancelledError
from ..results.switching_off import more_effects
from .requests import CANCELLED, SupersededError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .requests import Progress, RequestRunner
    from .session import Session


@dataclass(frozen=True)
class Course:
    """What comes part by part.

    Attributes
    ----------
    kind : str
        Of the request.
    complete : callable
        Whether a session has all of it.
    more : callable
        Runs the next part of a session.
    said : callable
        Returns how far a session is, in words and from 0 to 1.
    given_up : str
        What is said once it was cancelled.
    """

    kind: str
    complete: Callable[[Session], bool]
    more: Callable[[Session], Any]
    said: Callable[[Session], tuple[str, float]]
    given_up: str


def _levels_said(session: Session) -> tuple[str, float]:
    n_levels = len(session.levels)
    message = "running the first subgraphs" if n_levels == 1 else f"running subgraphs: {n_levels} sizes so far"
    return message, session.settled


def _effects_said(session: Session) -> tuple[str, float]:
    known = session.effects.known
    return f"switching off heads and MLPs: {known.sum()} of {known.size}", float(known.mean())


LEVELS = Course(
    kind="levels",
    complete=lambda session: session.complete,
    more=lambda session: session.more_levels(),
    said=_levels_said,
    given_up="Cancelled: the curve stays as coarse as it is.",
)
EFFECTS = Course(
    kind="effects",
    complete=lambda session: bool(session.effects.known.all()),
    more=lambda session: more_effects(session.trace, "component", session.trace.n_edges, session.effect_modes),
    said=_effects_said,
    given_up="Cancelled: what was switched off so far is kept.",
)


class Stream:
    """Runs what a session lacks of a course. Evaluations come in between, since each part is a request of its own.

    Parameters
    ----------
    course : Course
    show : callable
        Shows what there is.
    requests : RequestRunner
    session : callable
        Returns the session that is shown; the parts of one that no longer is are given up.
    tell : callable
        Takes the status while parts are under way, and None once all are there.
    failed : callable
        Is told the kind of request, and why nothing further comes.

    Attributes
    ----------
    status : dict or None
        What is under way.
    """

    def __init__(
        self,
        course: Course,
        show: Callable[[], None],
        requests: RequestRunner,
        session: Callable[[], Session],
        tell: Callable[[], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._course, self._requests, self._session = course, requests, session
        self._show, self._tell, self._failed = show, tell, failed
        self.status: dict[str, Any] | None = None

    def go_on(self) -> None:
        """Run the next part of the session that is shown, and then those after it; the newest call wins."""
        with self._requests.turn:
            session = self._session()
            if self._course.complete(session):
                self.status = None
                return
            kind, (message, progress) = self._course.kind, self._course.said(session)
            self.status = {"state": "running", "message": message, "progress": progress, "kind": kind}
            self._tell()
            part, shown, ended = (partial(each, session) for each in (self._part, self._shown, self._ended))
            self._requests.run(kind, part, shown, ended)

    # On the worker.

    def _part(self, session: Session, progress: Progress) -> None:
        del progress  # its words are told with the status
        if session is self._session():  # else another one was asked for meanwhile
            self._course.more(session)

    # On the kernel's thread.

    def _shown(self, session: Session, _: None) -> None:
        if session is not self._session():
            return  # who put another in its place says what goes on
        self._show()
        self.go_on()
        if self.status is None:
            self._tell()

    def _ended(self, session: Session, reason: Exception) -> None:
        if isinstance(reason, SupersededError) or session is not self._session():
            return  # the status is about newer parts
        self.status = None
        self._failed(self._course.kind, CancelledError(self._course.given_up) if str(reason) == CANCELLED else reason)
