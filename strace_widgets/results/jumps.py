"""Why the error jumps between two sizes: the few edges whose entering changes it most, found by evaluating between.

A trace of n + 1 edges is that of n with one more, so each edge has a share of the change: what the error is with it,
less what it was without. To know all of them takes a subgraph an edge. Instead the sizes between are divided, again and
again, where most happens: of all pieces the `LISTED` with the largest change are looked into until each is one edge, or
is no longer worth it (`WORTH`). What goes up and down within a piece that is as a whole flat is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ..graph.edges import Edges, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .sweep import Sweep

LISTED = 4
"""How many edges are looked for."""

WORTH = 0.05
"""The share of the whole change that an edge has to make."""

ROWS, ROUNDS = 16, 12
"""Subgraphs that a round evaluates, in one batch where memory allows, and how many rounds there are at most."""


class Ranked(Protocol):
    """What is asked of a trace: see `strace_widgets.results.strace.STrace`."""

    @property
    def ranks(self) -> Edges:
        """The order of the edges."""

    @property
    def n_edges(self) -> int:
        """E."""

    def evaluate(self, sizes: Iterable[float], **modes: Any) -> Sweep:
        """Run subgraphs in one batched pass."""


class EnteringEdge(NamedTuple):
    """An edge, and what its entering does to the error.

    Attributes
    ----------
    kind : str
        The field of `strace_widgets.graph.edges.Edges` that it belongs to.
    layer : int
    head : int or None
        Of an attention edge.
    source, target : int
        The tokens from which and to which it leads.
    rank : int
        It is the last edge of the trace of ``rank + 1`` edges.
    before, after : float
        The total variation without and with it.
    """

    kind: str
    layer: int
    head: int | None
    source: int
    target: int
    rank: int
    before: float
    after: float


@dataclass(eq=False)
class JumpSearch:
    """A search under way between two sizes.

    Parameters
    ----------
    trace : STrace
    lower, upper : int
        The sizes, in edges.
    modes : dict
        For `strace_widgets.STrace.evaluate`.

    Attributes
    ----------
    known : dict
        The total variation at each size that was evaluated.
    rounds : int
        How many there were.

    Raises
    ------
    ValueError
        When these are no two sizes of the trace, the smaller first.
    """

    trace: Ranked
    lower: int
    upper: int
    modes: dict[str, Any] = field(default_factory=dict)
    known: dict[int, float] = field(default_factory=dict)
    rounds: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.lower < self.upper <= self.trace.n_edges:
            raise ValueError(
                f"A jump lies between two sizes of 1 to {self.trace.n_edges:,} edges, the smaller first; "
                f"{self.lower:,} and {self.upper:,} are not."
            )

    @property
    def ended(self) -> bool:
        """Whether no further round follows."""
        return bool(self.known) and not self._wanted()

    @property
    def settled(self) -> float:
        """How far it is, 0 to 1, by the width of what is still looked into."""
        wide = [upper - lower for lower, upper in self._leading() if upper - lower > 1] if self.known else []
        whole = np.log(self.upper - self.lower + 1)
        return 1.0 - float(np.log(max(wide) + 1) / whole) if wide else float(self.ended)

    def step(self) -> None:
        """Run the next round."""
        asked = self._wanted() if self.known else [self.lower, self.upper]
        n_edges = self.trace.n_edges
        found = self.trace.evaluate([size_of(kept, n_edges) for kept in asked], **self.modes).total_variation
        self.known |= dict(zip(asked, found.tolist(), strict=True))
        self.rounds += 1

    def edges(self) -> list[EnteringEdge]:
        """Return the edges that make their share of the change by themselves, the largest first."""
        single = [(lower, upper) for lower, upper in self._leading() if upper - lower == 1]
        return [self._edge(lower, self.known[lower], self.known[upper]) for lower, upper in single]

    def _leading(self) -> list[tuple[int, int]]:
        """Return the pieces in which most happens, the largest change first."""
        pieces = [(self._change(piece), piece) for piece in pairwise(sorted(self.known))]
        worth = WORTH * max(self._change((self.lower, self.upper)), *(change for change, _ in pieces))
        return [piece for change, piece in sorted(pieces, reverse=True)[:LISTED] if change >= worth > 0]

    def _change(self, piece: tuple[int, int]) -> float:
        return abs(self.known[piece[1]] - self.known[piece[0]])

    def _wanted(self) -> list[int]:
        """Return the sizes of the next round, evenly spread over the leading pieces that are wider than an edge."""
        wide = [(lower, upper) for lower, upper in self._leading() if upper - lower > 1]
        if not wide or self.rounds > ROUNDS:
            return []
        inner = ROWS // len(wide)
        asked = {
            int(size)
            for lower, upper in wide
            for size in np.linspace(lower, upper, min(inner, upper - lower - 1) + 2).round()[1:-1]
        }
        return sorted(asked)

    def _edge(self, rank: int, before: float, after: float) -> EnteringEdge:
        """Return the edge of a rank."""
        for kind, ranks in zip(Edges._fields, self.trace.ranks, strict=True):
            found = np.argwhere(ranks == rank)
            if len(found):
                layer, *place = found[0].tolist()
                head, target, source = place if kind == "attention" else (None, place[0], place[0])
                return EnteringEdge(kind, layer, head, source, target, rank, before, after)
        raise AssertionError("every rank below E is an edge's")
