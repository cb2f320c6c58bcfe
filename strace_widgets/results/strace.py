"""The s-Trace of one prompt: every edge of the computation graph, ranked by how much it matters to the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..cache import Cache
from ..errors import NotCopiedError
from ..graph.measures import measure_named, weigh
from ..graph.modes import Modes, modes_of
from ..graph.order import Order, best_first
from ..graph.ranking import rank_randomly
from ..graph.refining import PASSES, Refined
from . import criteria
from .adaptive_sweep import rounds
from .opened import Opened
from .replay import check_same, warn_of_another_model
from .sweep import Sweep, compare
from .switching_off import effects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ..explorer.widget import Explorer
    from ..graph.edges import Array
    from ..graph.measures import Probing
    from ..graph.toggles import Toggles
    from ..model.model import Model
    from ..model.request_estimates import Estimate
    from ..paths import AnyPath
    from .effects import By, Effects
    from .jobs import Job

KEPT_SWEEPS = 32
"""How many standard sweeps a trace keeps: one for each of all combinations of modes."""


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class STrace(Opened):
    """A ranked computation graph, and the model to evaluate its subgraphs with.

    Two traces are equal only if they are the same object. A trace whose model is at hand cannot be pickled or copied:
    `save` writes it to a file.

    Attributes
    ----------
    model : Model
    prompt : str
        Its text: as it was given, as the chat template wrote it, or as the tokenizer decodes the token ids as a whole.
    origin : Origin
        How it became token ids: which chat template, and what was added.
    token_ids : (T,) int64
    tokens : list of str
        Their texts as they stand inside a prompt, special tokens included: ``" Paris"`` with its space, ``"⟨F0 9F⟩"``
        for bytes that are only part of a character. Two tokens that differ never have the same text.
    importance : str
    graph, weights, order
        See `strace_widgets.graph.ranked.RankedGraph`.
    full_logits : (V,) float32
        The full model's, at the last position.
    probing : Probing or None
        How the prediction was probed, by a measure that needs gradients.
    refined : Refined or None
        How it was refined.
    saved_view : dict
        The Explorer's state in the file from which the trace was loaded; empty for other traces.
    sweeps : Cache from Modes to Sweep
        The standard sweeps that were computed, or that a file had.
    """

    probing: Probing | None = None
    refined: Refined | None = None
    saved_view: Mapping[str, Any] = field(default_factory=dict)
    sweeps: Cache[Modes, Sweep] = field(default_factory=partial(Cache, KEPT_SWEEPS), init=False)

    def __getstate__(self) -> dict[str, Any]:
        if self.replayed:
            return dict(self.__dict__)
        raise NotCopiedError(
            "A trace cannot be pickled or copied with its model: write it with trace.save(path), read it with "
            "strace_widgets.load_trace(path), and give it a model with trace.with_model(model)."
        )

    @property
    def options(self) -> dict[str, Any]:
        """What `strace_widgets.trace` was given besides the measure, where that is not the default."""
        if self.refined and not self.refined.start:
            return self.refined.refinements[0].options()
        return self.probing.options(self.importance) if self.probing else {}

    def evaluate(
        self,
        sizes: Iterable[float],
        toggles: Mapping[str, str] | Toggles | Sequence[Mapping[str, str] | Toggles] | None = None,
        *,
        next_token: str | int | None = None,
        **modes: Any,
    ) -> Sweep:
        """Run the subgraphs of several sizes in one batched pass, and return what they predict.

        Parameters
        ----------
        sizes : floats in (0, 1]
        toggles : dict, or list of dict, optional
            What is switched on or off at every size, as for `mask`: ``{"21.4": "off"}``; or one such dict a size.
        next_token : str or int, optional
            The token that truly came next, as text or id: the sweep then has its ``loss`` and ``rank``.
        **modes
            ``masks``, ``inverse``, ``residual``, ``attention``, ``ablation``: see `strace_widgets.graph.modes.Modes`.

        Returns
        -------
        Sweep

        Raises
        ------
        ValueError, TypeError
            When a size is not in (0, 1], there is none, or a mode has no such value or does not exist.
        ToggleError
            When a component does not exist.
        NoModelError
            When the trace was loaded from a file that does not have these results.
        """
        sizes = list(sizes)
        if not sizes:
            raise ValueError("There is no size to evaluate: give at least one s with 0 < s <= 1.")
        chosen, kept = modes_of(**modes), self.kept(sizes)
        switched = [self.parsed(each) for each in (toggles if isinstance(toggles, Sequence) else [toggles])]
        if len(switched) not in (1, len(sizes)):
            raise ValueError(f"There are {len(sizes)} sizes but {len(switched)} sets of toggles: give one for each.")
        saved = self.sweeps.get(chosen) if self.replayed and not any(switched) and next_token is None else None
        if saved is not None and np.isin(kept, saved.n_edges).all():
            return saved.rows(np.searchsorted(saved.n_edges, kept).tolist())
        logits = self._logits(kept, switched, chosen)
        each_size = switched * (len(sizes) // len(switched))
        counted = [
            self.mask(size, each).n_kept if each else n for size, each, n in zip(sizes, each_size, kept, strict=True)
        ]
        true_token = None if next_token is None else self.model.encode_one(next_token)
        found = compare(
            self.full_logits, logits, sizes, kept, np.array(counted), self.model.decode, next_token=true_token
        )
        found = self.with_figure(found, logits, chosen)
        if not any(switched) and not chosen.inverse:
            warn_of_another_model(self.model, found, self.n_edges)
        return found

    def _logits(self, kept: Array, switched: list[Toggles], modes: Modes) -> Array:
        """Run subgraphs; where a target is asked for, also that without an edge, once, as one more row."""
        model, rows = self.traced_model(), self.rows(modes)
        if not self.contrast.target or modes in self.empty_figures or modes.inverse:
            return model.evaluate(rows, self.ranks, kept, switched, modes)
        each = [*switched * (len(kept) // len(switched)), self.parsed(None)] if any(switched) else switched
        *found, empty = model.evaluate(rows, self.ranks, np.append(kept, 0), each, modes)
        self.empty_figures[modes] = float(self.contrast.of(empty))
        return np.stack(found)

    def submit(
        self, sizes: Iterable[float] | None = None, toggles: Mapping[str, str] | Toggles | None = None, **modes: Any
    ) -> Job:
        """Send a sweep to the model's server and return at once; `Job.result` gives the `Sweep`.

        Parameters
        ----------
        sizes, toggles, **modes
            As for `evaluate`; without sizes, all from which the standard sweep chooses.
        """
        from .jobs import submit_sweep  # noqa: PLC0415 - jobs are above the trace

        asked = self.standard_sizes() if sizes is None else list(sizes)
        return submit_sweep(self, asked, self.parsed(toggles), modes_of(**modes))

    def estimate(self, sizes: Iterable[float] | None = None, **modes: Any) -> Estimate:
        """Return what a sweep costs before it is run: forward passes, requests to a server, bytes up and down.

        Parameters
        ----------
        sizes : floats in (0, 1], optional
            Without, all from which the standard sweep chooses.
        **modes
            As for `evaluate`.
        """
        from ..model.request_estimates import of_sweep  # noqa: PLC0415 - needs a model

        asked, more = modes_of(**modes), bool(self.contrast.target)
        n_rows = len(self.standard_sizes() if sizes is None else list(sizes)) + asked.patched + more
        return of_sweep(self.model.sizes, len(self.token_ids), n_rows, mean=asked.ablation == "mean")

    def random(self, seed: int = 0, *, like_authors: bool = False) -> STrace:
        """Return the same prompt with a random connected order instead: the baseline to compare with.

        Parameters
        ----------
        seed : int
        like_authors : bool
            Draw nodes rather than edges, as the published code does, which evaluates its random subgraphs with all
            residual edges kept (``residual="kept"``): not like for like with a trace whose residual edges are masked.
        """
        weights = weigh(self.weights, self.graph, measure_named("random"), seed)
        order = Order(rank_randomly(self.graph, seed)) if like_authors else best_first(weights, self.graph)
        drawn = replace(self, importance="random", weights=weights, order=order, saved_view={})
        return replace(drawn, probing=None, refined=None)

    def sweep(self, **modes: Any) -> Sweep:
        """Return the results at those standard sizes that say something; computed once for each combination of modes.

        Parameters
        ----------
        **modes
            As for `evaluate`. `strace_widgets.results.adaptive_sweep` says which sizes; studies give theirs instead.
        """
        chosen = modes_of(**modes)
        if chosen not in self.sweeps:
            *_, self.sweeps[chosen] = rounds(self, chosen)
        return self.sweeps[chosen]

    def effects(
        self,
        s: float = 1.0,
        by: By = "head",
        *,
        progress: bool = True,
        callback: Callable[[Effects], Any] | None = None,
        **modes: Any,
    ) -> Effects:
        """Return how the prediction changes when each component alone is switched off; kept in files and pages, too.

        Parameters
        ----------
        s : float in (0, 1]
            The size of the subgraph in which they are switched off: 1 is the whole model.
        by : {"head", "mlp", "component", "layer"}
            What is switched off at a time: each head, each MLP, either, or each whole layer.
        progress, callback : bool, and callable
            Whether to show a bar; and what is called with what is known after each batch. It may raise, and the next
            call goes on from there.
        **modes
            As for `evaluate`.

        Raises
        ------
        ValueError
            When the size is not in (0, 1], nothing of that name can be switched off, or not under these modes.
        NoModelError
            When a loaded trace does not have them.
        """
        return effects(self, s, by, modes_of(**modes), progress=progress, callback=callback)

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
        check_same(self.model, self.graph, self.token_ids, self.ranks, self.full_logits, model)
        return replace(self, model=model, model_state=model.state())

    def smallest(
        self,
        *,
        top1: bool = False,
        total_variation: float | None = None,
        nucleus: float | None = None,
        logit_difference: float | None = None,
        **modes: Any,
    ) -> float:
        """Return the necessary computation: the smallest s from which on every criterion given holds.

        "From which on" is judged at those of `sweep`, then at some more between the last that fails and the first
        that lasts. A trace that was loaded from a file is judged at its saved sizes only.

        Parameters
        ----------
        top1 : bool
            The most probable token agrees with the full model's.
        total_variation : float
            TV is at most this.
        nucleus : float
            The nucleus of this share of the probability is the full model's, in order: 0.6 for 60 %.
        logit_difference : float
            This share of the target's figure is there: see `Sweep.faithfulness`.
        **modes
            As for `evaluate`.

        Raises
        ------
        ValueError
            When no criterion is given, no nucleus of that share is compared, or no target asked for.
        """
        must_hold = criteria.chosen(
            top1=top1, total_variation=total_variation, nucleus=nucleus, logit_difference=logit_difference
        )
        evaluate = None if self.replayed else partial(self.evaluate, **modes)
        return criteria.smallest(self.sweep(**modes), must_hold, self.n_edges, evaluate)

    def refine(
        self, passes: float = PASSES, *, gradients: bool | None = None, progress: bool = True, **modes: Any
    ) -> STrace:
        """Return a trace whose subgraphs rebuild the prediction better; this one stays as it is.

        The weights are corrected, step by step, by what each edge gains the trace's own subgraphs, and the best order
        seen is kept (docs/measures.md). A trace that was refined goes on from where it stands.

        Parameters
        ----------
        passes : float
            About how many forward passes of this prompt it may take.
        gradients, progress : bool
            Whether to use gradients (by default where there are any; without, less is found), and to show a bar.
        **modes
            ``masks``, ``attention`` and ``ablation`` as in `evaluate`: how the subgraphs are run.

        Raises
        ------
        NoGradientsError
            When the model gives no gradients.
        NoModelError
            When the trace was loaded from a file.
        ValueError
            When the budget does not suffice for a step.
        """
        from .refinement import refined  # noqa: PLC0415 - refining is above the trace

        return refined(self, passes, modes_of(**modes), gradients=gradients, progress=progress)

    def explore(self, session: AnyPath | None = None) -> Explorer:
        """Return the Explorer widget on this trace; with a session file, go on with what was saved in it.

        Parameters
        ----------
        session : str or Path, optional
            What `Explorer.save_session`, or the Save button, wrote.
        """
        from ..explorer.widget import Explorer  # noqa: PLC0415 - the widget is above the trace

        return Explorer(self, session)

    def save(self, path: AnyPath) -> Path:
        """Write the trace with its standard sweep to one file that opens without torch or a model; return its path.

        Nothing is rounded (docs/strace-file.md).

        Parameters
        ----------
        path : str or Path
        """
        from ..explorer.shown import encoded, shown  # noqa: PLC0415 - what is shown of a trace is above it
        from .trace_file import save_trace  # noqa: PLC0415 - and so are files

        return save_trace(self, path, encoded(shown(self)))

    def to_html(self, path: AnyPath, *, toggles: Literal["single"] | None = None) -> Path:
        """Write the Explorer as one page that needs no kernel and no network; return its path.

        Parameters
        ----------
        path : str or Path
        toggles : {None, "single"}
            As for `strace_widgets.to_html`, which also puts several traces on one page.
        """
        from ..explorer.html_page import to_html  # noqa: PLC0415 - and so is the page

        return to_html([self], path, toggles=toggles)
