"""Which sizes the standard sweep evaluates: few where the error stays as it is, all of the grid where it changes.

The grid is `RankedGraph.standard_sizes`: up to 48 sizes, evenly spaced on a log scale. Most of them lie where nothing
happens. So `FIRST` of them are evaluated first, evenly spread, the smallest and the largest among them. Then, round by
round, the size in the middle of every two neighbours that are further than a step of the grid apart and differ:

- total variation changes by more than `CHANGE`, or
- it is on its way, that is neither above `BEGUN` at both nor below `DONE` at both (there it may go up and down), or
- the top token, the five leading tokens or the recovered nucleus do not agree with the full model's in the same way.

So what is found is the grid's own wherever it changes: a necessary size, or where the top token returns for good, is
the same row. Between neighbours that do not differ the curve is taken as straight in log s, as areas and pictures take
it anyway; what comes and goes in between is not seen, and the first sizes are up to seven steps of the grid apart.

A round is one batched pass, or several where memory says so. On a server each round waits in the queue, so the whole
grid goes at once where that takes no more requests than the rounds would: see `first_sizes`.

``benchmarks/adaptive_sweep.py`` compares with the whole grid, on the 100 shipped tuning prompts and two models.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .sweep import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..graph.edges import Array
    from ..graph.modes import Modes
    from ..model.model import Model
    from ..model.request_estimates import Estimate
    from .sweep import Sweep

FIRST = 8
"""How many sizes are evaluated first."""

CHANGE, DONE, BEGUN = 0.05, 0.02, 0.8
"""Of total variation: a change that is looked into, and between which errors every size of the grid is evaluated."""

ROUNDS = 4
"""How many rounds there are at most: seven steps of the grid are halved three times."""


class Swept(Protocol):
    """What is asked of a trace: see `strace_widgets.results.strace.STrace`."""

    @property
    def model(self) -> Model:
        """The model."""

    def standard_sizes(self) -> list[float]:
        """Return the grid."""

    def evaluate(self, sizes: Iterable[float], **modes: Any) -> Sweep:
        """Run subgraphs in one batched pass."""

    def estimate(self, sizes: Iterable[float] | None = None, **modes: Any) -> Estimate:
        """Return what that costs."""


def rounds(trace: Swept, modes: Modes, found: Sweep | None = None) -> Iterator[Sweep]:
    """Yield the standard sweep as it grows, once after each round; the last is whole.

    Parameters
    ----------
    trace : Swept
    modes : Modes
    found : Sweep, optional
        What rounds before have found; if that is whole, it is all that is yielded.
    """
    sizes = trace.standard_sizes()
    asked = first_sizes(trace, modes) if found is None else next_sizes(sizes, found)
    if found is not None and not asked:
        yield found
    while asked:
        new = trace.evaluate(asked, **asdict(modes))
        found = new if found is None else joined(found, new)
        asked = next_sizes(sizes, found)
        yield found


def first_sizes(trace: Swept, modes: Modes) -> list[float]:
    """Return the sizes of the first round: `FIRST` of the grid, evenly spread.

    From a server it is the whole grid, unless that takes more than `ROUNDS` requests, as a long prompt's does.

    Parameters
    ----------
    trace : Swept
    modes : Modes
    """
    sizes = trace.standard_sizes()
    if trace.model.server and trace.estimate(sizes, **asdict(modes)).requests <= ROUNDS:
        return sizes
    rows = np.linspace(0, len(sizes) - 1, min(FIRST, len(sizes))).round().astype(int)
    return [sizes[row] for row in rows]


def next_sizes(sizes: list[float], found: Sweep) -> list[float]:
    """Return which sizes of a grid to evaluate next; none where the sweep is whole.

    Parameters
    ----------
    sizes : list of float
        The grid, ascending.
    found : Sweep
        What is known at some of them, ascending.
    """
    rows, apart = _differing(sizes, found)
    return [sizes[(rows[at] + rows[at + 1]) // 2] for at in np.flatnonzero(apart)]


def settled(sizes: list[float], found: Sweep) -> float:
    """Return the share, 0 to 1, of a grid's steps on which no further size will be asked for.

    Parameters
    ----------
    sizes, found
        As for `next_sizes`.
    """
    rows, apart = _differing(sizes, found)
    return 1 - float(np.diff(rows)[apart].sum()) / max(1, len(sizes) - 1)


def _differing(sizes: list[float], found: Sweep) -> tuple[Array, Array]:
    """Return the rows of a grid that are known, and between which neighbours more is to be asked."""
    rows = np.searchsorted(sizes, found.sizes)
    lower, upper = np.sort([found.total_variation[:-1], found.total_variation[1:]], axis=0)
    differ = (upper - lower > CHANGE) | ((lower < BEGUN) & (upper > DONE))
    for agreement in (found.top1, found.top_agreement(5) == 1, found.nucleus):
        differ |= agreement[1:] != agreement[:-1]
    return rows, differ & (np.diff(rows) > 1)
