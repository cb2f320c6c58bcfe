"""The s-Trace of one prompt: every edge of the computation graph, ranked by how much it matters to the prediction."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import metrics
from . import toggles as switches
from .edges import Edges, count_edges, edges_kept, size_of
from .importance import MEASURES, weigh
from .sweep import Sweep, TopToken, compare, top_tokens
from .traversal import rank_edges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .models import Model
    from .widgets.explorer import Explorer

Array = np.ndarray[Any, Any]

LEVELS = 48
"""How many sizes the standard sweep computes at most."""

REFINED = 16
"""How many sizes `STrace.smallest` tries between two computed levels."""


def trace(model: Model, prompt: str | list[int] | Array, importance: str = "l1") -> STrace:
    """Trace the prediction of the token after a prompt.

    Parameters
    ----------
    model : Model
        From `strace_widgets.load_model`.
    prompt : str or token ids
    importance : {"l1", "l2"}
        How an edge is weighed: its vector's norm over the sum of the norms entering the same node. ``"l1"`` is the
        paper's.

    Raises
    ------
    PromptError
        When the prompt is empty or longer than the model's context.
    ValueError
        When the importance measure is unknown.
    """
    if importance not in MEASURES:
        raise ValueError(
            f"There is no importance measure {importance!r}: choose one of {', '.join(map(repr, MEASURES))}."
        )
    token_ids = model.encode(prompt)
    if len(token_ids) == 1:
        warnings.warn(
            "The prompt is a single token, which can attend only to itself: its trace says little. "
            "Give a longer prompt.",
            stacklevel=2,
        )
    norms, logits = model.capture(token_ids, MEASURES[importance])
    weights = weigh(norms)
    tokens = [model.decode(int(i)) for i in token_ids]
    text = prompt if isinstance(prompt, str) else "".join(tokens)
    return STrace(model, text, token_ids, tokens, importance, weights, rank_edges(weights), logits)


@dataclass(frozen=True, repr=False)
class STrace:
    """A ranked computation graph, and the model to evaluate its subgraphs with.

    Attributes
    ----------
    model : Model
    prompt : str
    token_ids : (T,) int64
    tokens : list of str
        Their texts, special tokens included.
    importance : str
    weights : Edges of float32
    ranks : Edges of int32
        The trace of n edges is ``rank < n``.
    full_logits : (V,) float32
        The full model's, at the last position.
    """

    model: Model
    prompt: str
    token_ids: Array
    tokens: list[str]
    importance: str
    weights: Edges
    ranks: Edges
    full_logits: Array

    def __repr__(self) -> str:
        first = self.top[0]
        return (
            f"STrace of {self.prompt!r} on {self.model.name}: {len(self.tokens)} tokens, {self.n_edges:,} edges by "
            f"{self.importance}; the full model says {first.token!r} at {first.probability:.2f}"
        )

    @property
    def n_edges(self) -> int:
        """E, the edges of the whole graph."""
        return count_edges(self.ranks.n_layers, self.ranks.n_heads, self.ranks.n_tokens)

    @cached_property
    def top(self) -> list[TopToken]:
        """The full model's most probable next tokens."""
        return top_tokens(np.exp(metrics.log_probabilities(self.full_logits)), self.model.decode)

    @property
    def entropy(self) -> float:
        """The full model's uncertainty, in nats."""
        return float(metrics.entropy(metrics.log_probabilities(self.full_logits)))

    def mask(self, size: float, toggles: Mapping[str, str] | None = None) -> Edges:
        """Return which edges are kept at relative size s: exactly int(s E) of them, before any toggles."""
        kept = edges_kept(size, self.n_edges)
        return switches.apply(Edges(*(kind < kept for kind in self.ranks)), toggles or {})

    def evaluate(self, sizes: Iterable[float], toggles: Mapping[str, str] | None = None) -> Sweep:
        """Run the subgraphs of several sizes in one batched pass.

        Parameters
        ----------
        sizes : floats in (0, 1]
        toggles : dict, optional
            Components forced on or off at every size: ``{"21.4": "off", "18.mlp": "on"}``.

        Raises
        ------
        ValueError
            When a size is not in (0, 1], or there is none.
        ToggleError
            When a component does not exist.
        """
        sizes = list(sizes)
        if not sizes:
            raise ValueError("There is no size to evaluate: give at least one s with 0 < s <= 1.")
        kept = np.array([edges_kept(size, self.n_edges) for size in sizes])
        toggles = switches.normalise(toggles, self.ranks.n_layers, self.ranks.n_heads)
        forced = switches.forced(toggles, self.ranks.n_layers, self.ranks.n_heads)
        logits = self.model.evaluate(self.token_ids, self.ranks, kept, forced)
        counted = np.array([self.mask(size, toggles).n_kept for size in sizes]) if toggles else kept
        return compare(self.full_logits, logits, sizes, kept, counted, self.model.decode)

    def sweep(self) -> Sweep:
        """Return the results at the standard sizes, evenly spaced on a log scale from one edge to all."""
        return self._sweep

    @cached_property
    def _sweep(self) -> Sweep:
        kept = np.unique(np.geomspace(1, self.n_edges, LEVELS).round().astype(int))
        return self.evaluate([size_of(int(n), self.n_edges) for n in kept])

    def smallest(
        self, *, top1: bool = False, total_variation: float | None = None, nucleus: int | None = None
    ) -> float:
        """Return the necessary computation: the smallest s from which on every criterion given holds.

        "From which on" is judged at the standard sizes, then at some more between the last that fails and the first
        that lasts.

        Parameters
        ----------
        top1 : bool
            The most probable token agrees with the full model's.
        total_variation : float
            TV is at most this.
        nucleus : int
            The recovered nucleus is at least this, in per cent.
        """
        if not top1 and total_variation is None and nucleus is None:
            raise ValueError("Say what must hold: top1=True, total_variation=0.1 or nucleus=60.")

        def lasting(sweep: Sweep) -> int:
            holds = np.ones(len(sweep), dtype=bool)
            if top1:
                holds &= sweep.top1
            if total_variation is not None:
                holds &= sweep.total_variation <= total_variation
            if nucleus is not None:
                holds &= sweep.nucleus >= nucleus
            row = sweep.lasting(holds)
            return len(sweep) - 1 if row is None else row  # at s = 1 the subgraph is the model

        sweep = self.sweep()
        row = lasting(sweep)
        fails, lasts = (int(sweep.n_edges[row - 1]) if row else 0), int(sweep.n_edges[row])
        between = np.unique(np.linspace(fails, lasts, REFINED + 1).round().astype(int)[1:])
        refined = self.evaluate([size_of(int(n), self.n_edges) for n in between])
        return float(refined.sizes[lasting(refined)])

    def explore(self) -> Explorer:
        """Return the Explorer widget on this trace."""
        from .widgets.explorer import Explorer  # noqa: PLC0415 - the widget is above the trace

        return Explorer(self)

    def to_html(self, path: str | Path) -> Path:
        """Write the Explorer as one page that needs no kernel and no network; return its path."""
        from .export import write_page  # noqa: PLC0415 - and so is the page

        return write_page(self, Path(path))
