"""The s-Trace of one prompt: every edge of the computation graph, ranked by how much it matters to the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..graph import toggles as switches
from ..graph.edges import Edges, Graph, edges_kept, size_of
from ..graph.measures import measure_named, weigh
from ..graph.modes import Modes
from ..graph.ranking import nucleus_mask, rank_edges, rank_randomly, threshold_mask
from . import metrics
from .replay import ReplayModel, check_same
from .sweep import Sweep, TopToken, compare, top_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ..explorer.widget import Explorer
    from ..graph.measures import Probing
    from ..model.model import Model
    from ..model.request_estimates import Estimate
    from .jobs import Job

Array = np.ndarray[Any, Any]

LEVELS = 48
"""How many sizes the standard sweep computes at most."""

REFINED = 16
"""How many sizes `STrace.smallest` tries between two computed levels."""


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
    graph : Graph
        L, H, T, and whether blocks are parallel.
    weights : Edges of float32
    ranks : Edges of int32
        The trace of n edges is ``rank < n``.
    full_logits : (V,) float32
        The full model's, at the last position.
    probing : Probing or None
        How the prediction was asked, by a measure that needs gradients.
    """

    model: Model
    prompt: str
    token_ids: Array
    tokens: list[str]
    importance: str
    graph: Graph
    weights: Edges
    ranks: Edges
    full_logits: Array
    probing: Probing | None = None

    def _repr_html_(self) -> str:
        from .display import trace_html  # noqa: PLC0415 - a display of results is above them

        return trace_html(self)

    def __repr__(self) -> str:
        first = self.top[0]
        return (
            f"STrace of {self.prompt!r} on {self.model.name}: {len(self.tokens)} tokens, {self.n_edges:,} edges by "
            f"{self.importance}; the full model says {first.token!r} at {first.probability:.2f}"
        )

    @property
    def n_edges(self) -> int:
        """E, the edges of the whole graph."""
        return self.graph.n_edges

    @cached_property
    def top(self) -> list[TopToken]:
        """The full model's most probable next tokens."""
        return top_tokens(np.exp(metrics.log_probabilities(self.full_logits)), self.model.decode)

    @property
    def options(self) -> dict[str, Any]:
        """What `strace_widgets.trace` was given besides the measure, where that is not the default."""
        return self.probing.options(self.importance) if self.probing else {}

    @property
    def entropy(self) -> float:
        """The full model's uncertainty, in nats."""
        return float(metrics.entropy(metrics.log_probabilities(self.full_logits)))

    def mask(self, size: float, toggles: Mapping[str, str] | None = None) -> Edges:
        """Return which edges are kept at relative size s: exactly int(s E) of them, before any toggles.

        Parameters
        ----------
        size : float in (0, 1]
        toggles : dict, optional
            As for `evaluate`.
        """
        kept = edges_kept(size, self.n_edges)
        return switches.apply(Edges(*(kind < kept for kind in self.ranks)), toggles or {})

    def evaluate(
        self,
        sizes: Iterable[float],
        toggles: Mapping[str, str] | Sequence[Mapping[str, str]] | None = None,
        *,
        next_token: str | int | None = None,
        **modes: Any,
    ) -> Sweep:
        """Run the subgraphs of several sizes in one batched pass, and return what they predict.

        Parameters
        ----------
        sizes : floats in (0, 1]
        toggles : dict, or list of dict, optional
            Components forced on or off at every size: ``{"21.4": "off", "18.mlp": "on"}``; or one such dict a size.
        next_token : str or int, optional
            The token that truly came next, as text or id: the sweep then has its ``loss`` and ``rank``.
        **modes
            ``masks``, ``inverse``, ``residual``, ``attention``, ``ablation``: see `strace_widgets.graph.modes.Modes`.

        Returns
        -------
        Sweep

        Raises
        ------
        ValueError
            When a size is not in (0, 1], there is none, or a mode has no such value.
        ToggleError
            When a component does not exist.
        NoModelError
            When the trace was loaded from a file that does not have these results.
        TypeError
            When there is no mode of that name.
        """
        sizes = list(sizes)
        if not sizes:
            raise ValueError("There is no size to evaluate: give at least one s with 0 < s <= 1.")
        chosen = _modes(modes)
        kept = np.array([edges_kept(size, self.n_edges) for size in sizes])
        saved = self.sweeps.get(chosen) if self.replayed and not toggles and next_token is None else None
        if saved is not None and np.isin(kept, saved.n_edges).all():
            return saved.rows(np.searchsorted(saved.n_edges, kept).tolist())
        by_size = toggles if isinstance(toggles, Sequence) else [toggles or {}]
        if len(by_size) not in (1, len(sizes)):
            raise ValueError(f"There are {len(sizes)} sizes but {len(by_size)} sets of switches: give one for each.")
        switched = [switches.normalise(each, self.graph.n_layers, self.graph.n_heads) for each in by_size]
        forced = [switches.forced(each, self.graph.n_layers, self.graph.n_heads) for each in switched]
        heads, mlps = (np.stack(kind) for kind in zip(*forced, strict=True))
        logits = self.model.evaluate(self.token_ids, self.ranks, kept, (heads, mlps), chosen)
        each_size = switched * (len(sizes) // len(switched))
        counted = [
            self.mask(size, each).n_kept if each else n for size, each, n in zip(sizes, each_size, kept, strict=True)
        ]
        true_token = None if next_token is None else self.model.encode_one(next_token)
        return compare(
            self.full_logits, logits, sizes, kept, np.array(counted), self.model.decode, next_token=true_token
        )

    def submit(
        self, sizes: Iterable[float] | None = None, toggles: Mapping[str, str] | None = None, **modes: Any
    ) -> Job:
        """Send a sweep to the model's server and return at once; `Job.result` gives the `Sweep`.

        Parameters
        ----------
        sizes, toggles, **modes
            As for `evaluate`; without sizes, those of the standard sweep.
        """
        from .jobs import submit_sweep  # noqa: PLC0415 - jobs are above the trace

        return submit_sweep(self, self.standard_sizes() if sizes is None else sizes, toggles, _modes(modes))

    def estimate(self, sizes: Iterable[float] | None = None, **modes: Any) -> Estimate:
        """Return what a sweep costs before it is run: forward passes, requests to a server, bytes up and down.

        Parameters
        ----------
        sizes : floats in (0, 1], optional
            Those of the standard sweep without.
        **modes
            As for `evaluate`.
        """
        from ..model.request_estimates import of_sweep  # noqa: PLC0415 - needs a model

        n_sizes = len(self.standard_sizes() if sizes is None else list(sizes))
        return of_sweep(self.model.sizes, len(self.token_ids), n_sizes, mean=_modes(modes).ablation == "mean")

    def states(self, sizes: Iterable[float], **modes: Any) -> Array:
        """Return the last hidden states (K + 1, M) float32 of the subgraphs of K sizes, then the full model's.

        The state of the last position after the final norm, which the unembedding reads; modes as in `evaluate`.

        Parameters
        ----------
        sizes : floats in (0, 1]
        **modes
            As for `evaluate`.
        """
        whole = -1
        kept = np.array([*(edges_kept(size, self.n_edges) for size in sizes), whole])
        forced = switches.forced({}, self.graph.n_layers, self.graph.n_heads)
        return self.model.evaluate(self.token_ids, self.ranks, kept, forced, _modes(modes), states=True)

    def connected(self, size: float) -> bool:
        """Return whether the trace of size s reaches an embedding, so that it can depend on the prompt at all.

        Parameters
        ----------
        size : float in (0, 1]
        """
        into_first_layer = [self.ranks.attention[0], self.ranks.attention_residual[0]]
        if self.graph.parallel:
            into_first_layer.append(self.ranks.mlp[0])
        return edges_kept(size, self.n_edges) > min(int(kind.min()) for kind in into_first_layer)

    def evaluate_mask(self, mask: Edges, **modes: Any) -> Sweep:
        """Run one subgraph that is given edge by edge; return a sweep of one row, whose size is the share kept.

        Parameters
        ----------
        mask : Edges of bool
        **modes
            As for `evaluate`.
        """
        chosen = _modes(modes)
        spelled_out = Edges(*(np.where(kind, 0, 1).astype(np.int32) for kind in mask))
        forced = switches.forced({}, self.graph.n_layers, self.graph.n_heads)
        logits = self.model.evaluate(self.token_ids, spelled_out, np.array([1]), forced, chosen)
        kept = np.array([mask.n_kept])
        return compare(self.full_logits, logits, [mask.n_kept / self.n_edges], kept, kept, self.model.decode)

    def nucleus(self, mass: float) -> Edges:
        """Return the mask that keeps the heaviest edges into each node, up to a share ``mass`` of its weight.

        Parameters
        ----------
        mass : float in (0, 1]
        """
        return nucleus_mask(self.weights, self.graph, mass)

    def threshold(self, weight: float) -> Edges:
        """Return the mask of the edges heavier than ``weight`` that such edges connect to the output.

        Parameters
        ----------
        weight : float
        """
        return threshold_mask(self.weights, self.graph, weight)

    def random(self, seed: int = 0, *, like_authors: bool = False) -> STrace:
        """Return the same prompt with a random connected order instead: the baseline to compare with.

        Parameters
        ----------
        seed : int
        like_authors : bool
            Draw nodes, as the published code does, rather than edges. That code evaluates its random subgraphs with
            all residual edges kept: ``trace.random(like_authors=True).evaluate(sizes, residual="kept")``; compared with
            a trace whose residual edges are masked, that is not like for like.
        """
        weights = weigh(self.weights, self.graph, measure_named("random"), seed)
        ranks = rank_randomly(self.graph, seed) if like_authors else rank_edges(weights, self.graph)
        return replace(self, importance="random", weights=weights, ranks=ranks, probing=None)

    def standard_sizes(self) -> list[float]:
        """Return the sizes of the standard sweep, evenly spaced on a log scale from one edge to all."""
        kept = np.unique(np.geomspace(1, self.n_edges, LEVELS).round().astype(int))
        return [size_of(int(n), self.n_edges) for n in kept]

    def sweep(self, **modes: Any) -> Sweep:
        """Return the results at the standard sizes, under the modes of `evaluate`; computed once for each.

        Parameters
        ----------
        **modes
            As for `evaluate`.
        """
        chosen = _modes(modes)
        if chosen not in self.sweeps:
            self.sweeps[chosen] = self.evaluate(self.standard_sizes(), **modes)
        return self.sweeps[chosen]

    @cached_property
    def sweeps(self) -> dict[Modes, Sweep]:
        """The standard sweeps that were computed, or that a file had."""
        return {}

    @cached_property
    def saved_view(self) -> dict[str, Any]:
        """The state of the Explorer that came with the file this trace was loaded from; empty for other traces."""
        return {}

    @property
    def replayed(self) -> bool:
        """Whether this trace was loaded from a file and has no model."""
        return isinstance(self.model, ReplayModel)

    def with_model(self, model: Model) -> STrace:
        """Return a trace that was loaded from a file with a model, so that everything can be asked of it again.

        Parameters
        ----------
        model : Model

        Raises
        ------
        ModelMismatchError
            When the model has other sizes, or predicts something else after this prompt.
        """
        check_same(self, model)
        with_model = replace(self, model=model)
        with_model.saved_view.update(self.saved_view)
        return with_model

    def smallest(
        self, *, top1: bool = False, total_variation: float | None = None, nucleus: int | None = None
    ) -> float:
        """Return the necessary computation: the smallest s from which on every criterion given holds.

        "From which on" is judged at the standard sizes, then at some more between the last that fails and the first
        that lasts. A trace that was loaded from a file is judged at its saved sizes only.

        Parameters
        ----------
        top1 : bool
            The most probable token agrees with the full model's.
        total_variation : float
            TV is at most this.
        nucleus : int
            The recovered nucleus is at least this, in per cent.

        Raises
        ------
        ValueError
            When no criterion is given.
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
        if self.replayed:
            return float(sweep.sizes[row])
        fails, lasts = (int(sweep.n_edges[row - 1]) if row else 0), int(sweep.n_edges[row])
        between = np.unique(np.linspace(fails, lasts, REFINED + 1).round().astype(int)[1:])
        refined = self.evaluate([size_of(int(n), self.n_edges) for n in between])
        return float(refined.sizes[lasting(refined)])

    def explore(self, file: str | Path | None = None) -> Explorer:
        """Return the Explorer widget on this trace; with a file, go on with the session that was saved in it.

        Parameters
        ----------
        file : str or Path, optional
        """
        from ..explorer.widget import Explorer  # noqa: PLC0415 - the widget is above the trace

        return Explorer(self, file)

    def save(self, path: str | Path, *, precision: str = "float32") -> Path:
        """Write the trace with its results to one file that opens without torch or a model; return its path.

        The standard sweep is computed if it is not there yet. ``docs/strace-file.md`` describes the format.

        Parameters
        ----------
        path : str or Path
        precision : {"float32", "float16"}
            Of the weights. Ranks, logits and results are exact in both.
        """
        from ..explorer.html_page import encoded, shown  # noqa: PLC0415 - what is shown of a trace is above it
        from .trace_file import save_trace  # noqa: PLC0415 - and so are files

        return save_trace(self, path, encoded(shown(self)), precision=precision)

    def to_html(self, path: str | Path, *, toggles: Literal["single"] | None = None) -> Path:
        """Write the Explorer as one page that needs no kernel and no network; return its path.

        See `strace_widgets.to_html`, which also puts several on one page.

        Parameters
        ----------
        path : str or Path
        toggles : {None, "single"}
            As for `strace_widgets.to_html`.
        """
        from ..explorer.html_page import to_html  # noqa: PLC0415 - and so is the page

        return to_html([self], path, toggles=toggles)


def _modes(modes: dict[str, Any]) -> Modes:
    try:
        return Modes(**modes)
    except TypeError:
        unknown = sorted(set(modes) - set(Modes.__dataclass_fields__))
        raise TypeError(
            f"There is no evaluation mode {', '.join(unknown)}: choose among {', '.join(Modes.__dataclass_fields__)}."
        ) from None
