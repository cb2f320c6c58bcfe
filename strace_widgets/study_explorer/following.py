"""The prompts of studies as they are done: read in portions, on a thread of their own, until all are there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from ..errors import StudyError
from .rows import Plan, portion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ..studies.store import Study
    from .contract import StudyRows

AT_ONCE = 128
"""Prompts in a portion, at most."""

EVERY = 2.0
"""Seconds between two looks at a study that still runs."""


class Portion(NamedTuple):
    """Some prompts: what is shown of them, and their folders."""

    rows: StudyRows
    parts: list[Path]


class Damaged(NamedTuple):
    """A prompt that cannot be read, and why."""

    part: Path
    reason: str


def portions(studies: Sequence[Study], plan: Plan, seen: set[Path]) -> Iterator[Portion | Damaged]:
    """Yield the prompts that are done and were not seen before; they are seen then."""
    for place, study in enumerate(studies):
        new = [part for part in study.parts() if part not in seen]
        for start in range(0, len(new), AT_ONCE):
            parts = new[start : start + AT_ONCE]
            seen.update(parts)
            try:
                yield Portion(portion(study, place, parts, plan), parts)
            except StudyError:
                yield from _one_by_one(study, place, parts, plan)


def _one_by_one(study: Study, place: int, parts: Sequence[Path], plan: Plan) -> Iterator[Portion | Damaged]:
    """Yield what can be read where some of it cannot."""
    for part in parts:
        try:
            yield Portion(portion(study, place, [part], plan), [part])
        except StudyError as reason:
            yield Damaged(part, str(reason))


def follow(
    studies: Sequence[Study],
    plan: Plan,
    hear: Callable[[Portion | Damaged], None],
    whole: Callable[[], None],
    failed: Callable[[Exception], None],
) -> threading.Event:
    """Read studies on a thread of its own, and what is added to them while they run; return what stops it.

    Parameters
    ----------
    studies : sequence of Study
    plan : Plan
    hear, whole, failed : callable
        Are called on that thread: with each portion, when all prompts are there, and with what went wrong.
    """
    stop = threading.Event()

    def read() -> None:
        seen: set[Path] = set()
        try:
            while not stop.is_set():
                for found in portions(studies, plan, seen):
                    if stop.is_set():
                        return
                    hear(found)
                if len(seen) >= sum(study.n_asked for study in studies):
                    whole()
                    return
                stop.wait(EVERY)
        except Exception as reason:  # noqa: BLE001 - it belongs on screen
            failed(reason)

    threading.Thread(target=read, name="strace-study", daemon=True).start()
    return stop
