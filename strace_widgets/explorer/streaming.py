"""The levels of an Explorer come while one looks: a round a request, coarse to fine, each shown as it comes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import CancelledError
from .requests import CANCELLED, SupersededError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .requests import Progress, RequestRunner
    from .session import Session

KIND = "levels"
COARSE = "Cancelled: the curve stays as coarse as it is."


class LevelStream:
    """Runs what a session lacks of its levels. Evaluations come in between, since each round is a request of its own.

    Parameters
    ----------
    requests : RequestRunner
    session : callable
        Returns the session that is shown; the rounds of one that no longer is are given up.
    show : callable
        Shows the levels that there are.
    tell : callable
        Takes the status while rounds are under way, and None once all levels are there.
    failed : callable
        Is told the kind of request, and why there are no further levels.

    Attributes
    ----------
    status : dict or None
        What is under way.
    """

    def __init__(
        self,
        requests: RequestRunner,
        session: Callable[[], Session],
        show: Callable[[], None],
        tell: Callable[[], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._requests, self._session, self._show, self._tell, self._failed = requests, session, show, tell, failed
        self.status: dict[str, Any] | None = None

    def go_on(self) -> None:
        """Run the next round of the session that is shown, and then those after it; the newest call wins."""
        session = self._session()
        if session.complete:
            self.status = None
            return
        n_levels = len(session.levels)
        message = "running the first subgraphs" if n_levels == 1 else f"running subgraphs: {n_levels} sizes so far"
        self.status = {"state": "running", "message": message, "progress": session.settled, "kind": KIND}
        self._tell()
        self._requests.run(
            KIND, partial(self._round, session), partial(self._shown, session), partial(self._ended, session)
        )

    # On the worker.

    def _round(self, session: Session, progress: Progress) -> None:
        del progress  # its words are told with the status
        session.more_levels()

    # On the kernel's thread.

    def _shown(self, session: Session, _: None) -> None:
        if session is not self._session():
            return  # who put another in its place goes on with that
        self._show()
        self.go_on()
        if self.status is None:
            self._tell()

    def _ended(self, session: Session, reason: Exception) -> None:
        if isinstance(reason, SupersededError) or session is not self._session():
            return  # the status is about newer rounds
        self.status = None
        self._failed(KIND, CancelledError(COARSE) if str(reason) == CANCELLED else reason)
