"""Refining in the Explorer: a step a request, each improvement shown, and the best that was seen kept at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..errors import CancelledError
from ..graph.refining import Refined
from ..results.refinement import area, as_refined, n_steps, passes_for, refinement, sizes_looked_at, steps_taken
from .requests import CANCELLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..graph.modes import Modes
    from ..results.strace import STrace
    from .contract import Curve
    from .messages import Show, Work
    from .requests import Progress
    from .session import Session


@dataclass(eq=False)
class Refining:
    """A refinement under way.

    Attributes
    ----------
    session : Session
        On the trace that is refined, under whose masks mode.
    passes : float
        The budget.
    areas : list of float
        The area of the best trace after each step; the first is that of the trace itself.
    best : STrace or None
        The best trace that was seen.
    stopped : bool
        Whether it is to end with what it has.
    failure : Exception or None
        What ended it, if that was an error: a better trace that was seen before is kept all the same.
    found : Session or None
        On the best trace, at the end.
    ended : bool
    """

    session: Session
    passes: float
    areas: list[float] = field(default_factory=list)
    best: STrace | None = None
    stopped: bool = False
    failure: Exception | None = None
    found: Session | None = None
    ended: bool = False

    @cached_property
    def _modes(self) -> Modes:
        return self.session.modes

    @cached_property
    def _steps(self) -> Iterator[STrace]:
        return refinement(self.session.trace, self.passes, self._modes)

    @cached_property
    def _taken(self) -> int:
        return steps_taken(self.session.trace)

    @property
    def improved(self) -> bool:
        """Whether a better trace was seen."""
        return bool(self.areas) and self.areas[-1] < self.areas[0]

    # On the worker.

    def step(self, progress: Progress) -> None:
        """Take the next step; after the last one it has ended, with a session on the best trace, if it is better.

        Raises
        ------
        ValueError
            When the budget does not suffice for a step.
        """
        least = passes_for(1, self._taken)
        if self.passes < least:
            raise ValueError(f"Refining takes at least {least} forward passes; {self.passes:g} are too few.")
        if not self.stopped and self._look(progress):
            return
        if self.improved and self.best is not None:
            self.found = self.session.on(self._result(self.best), self.session.settings, self.session.whole)
        self.ended = True

    def _look(self, progress: Progress) -> bool:
        """Look at the next subgraphs; return whether another step follows."""
        total, done = n_steps(self.passes, self._taken) + 1, len(self.areas)
        if done < total:
            progress(f"refining: step {done + 1} of {total}{self._so_far()}", done / total)
        try:
            best = next(self._steps, None)
        except Exception as reason:
            if not self.improved:
                raise
            self.stopped = True  # a server is waited for no longer
            self.failure = None if isinstance(reason, CancelledError) else reason
            return True
        if best is None:
            return False
        self.best = best
        self.areas.append(area(best))
        return True

    def _so_far(self) -> str:
        if not self.areas:
            return ""
        reached = f" → {self.areas[-1]:.3f}" if self.improved else ""
        return f", area {self.areas[0]:.3f}{reached}"

    def _result(self, best: STrace) -> STrace:
        """Return the best trace with how it was made: where it was stopped, by a budget that leads to it."""
        before = self.session.trace
        whole = len(self.areas) > n_steps(self.passes, self._taken)
        passes = self.passes if whole else passes_for(self.areas.index(self.areas[-1]), self._taken)
        return as_refined(best, passes, self._modes, before.refined or Refined(start=before.importance))

    # On the kernel's thread.

    def drawn(self, curves: list[Curve]) -> list[Curve]:
        """Return the other curves with that of the best trace so far; without it once it has ended."""
        others = without_refining(curves)
        return others if self.ended or not self.improved or self.best is None else [*others, _so_far(self.best)]

    @property
    def outcome(self) -> str:
        """What is said where the trace stays as it was."""
        return CANCELLED if self.stopped else f"No better trace was found in {self.passes:g} passes."


def without_refining(curves: list[Curve]) -> list[Curve]:
    """Return the curves that are no refinement's under way."""
    return [each for each in curves if each["kind"] != "refining"]


def _so_far(best: STrace) -> Curve:
    """Return what refining has measured of a trace as a curve; the whole model has no error."""
    far = best.refined.total_variation if best.refined else ()
    return {
        "name": "refining",
        "kind": "refining",
        "n_edges": [*best.kept(sizes_looked_at(len(best.tokens))).tolist(), best.n_edges],
        "total_variation": [*(round(error, 5) for error in far), 0.0],
    }


class Refines:
    """The part of `strace_widgets.explorer.widget.Explorer` that refines."""

    session: Session
    curves: Any
    n_edges: int
    toggles: Any
    _refining: Refining | None = None

    def _rest(self, **about: Any) -> None:
        """Say that a request has ended."""
        raise NotImplementedError

    def _show_session(
        self, session: Session, n_edges: int | None, toggles: dict[str, str] | None, history: dict[str, Any] | None
    ) -> None:
        """Replace the session."""
        raise NotImplementedError

    def _refine(self, content: dict[str, Any], progress: Progress) -> Show:
        self._refining = Refining(self.session, content["passes"])
        return self._refined(self._refining, progress)

    def _refined(self, refining: Refining, progress: Progress) -> Show:
        """Take a step of refining; what shows it returns the next one."""
        refining.step(progress)

        def show() -> Work | None:
            same = refining.session is self.session  # no other trace came in between
            if same and not refining.ended:
                self.curves = refining.drawn(self.curves)
                return partial(self._refined, refining)
            self._end_refining()
            self._rest(message=refining.outcome)
            if shown := refining.found if same else self.session:
                self._show_session(shown, self.n_edges, self.toggles, None)
            if refining.failure:
                raise refining.failure
            return None

        return show

    def _end_refining(self) -> None:
        self._refining = None
        self.curves = without_refining(self.curves)
