"""Switch components off one by one, as rows of a few batched passes, and see what each does to the prediction.

What a batch has found is kept with the trace. So whoever stops waiting loses nothing: the next call goes on from there.
In the whole graph the order of the edges makes no difference, so that traces of one prompt that come from one another,
by other measures or refined, share what is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from ..errors import NonFiniteError
from ..graph.edges import edges_kept, size_of
from ..model.request_estimates import BYTES_AN_ANSWER
from ..model.text.contrasts import Contrast
from ..waiting import say, saying, silent
from . import metrics
from .effects import ARRAYS, By, Effects, Kept, Whole
from .sweep import TopToken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..graph.edges import Array
    from ..graph.modes import Modes
    from ..graph.toggles import Toggles
    from .explained import Explained

TOKENS_A_BATCH, ROWS_A_BATCH = 640, (8, 64)
"""How many tokens all rows of a batch have together, and how many rows it has at least and at most: more save little
time, and whoever watches waits longer for each."""


def effects(
    trace: Explained, size: float, by: By, modes: Modes, *, progress: bool, callback: Callable[[Effects], Any] | None
) -> Effects:
    """Return the effects of all components of a kind: see `strace_widgets.STrace.effects`."""
    n_edges = edges_kept(size, trace.n_edges)
    found = known_effects(trace, by, n_edges, modes)
    with saying(f"switching off {by}s") if progress else silent():
        while not found.known.all():
            say(f"switching off {by}s: {found.known.sum()} of {found.known.size}")
            found = more_effects(trace, by, n_edges, modes)
            if callback:
                callback(found)
    return found


def known_effects(trace: Explained, by: By, n_edges: int, modes: Modes) -> Effects:
    """Return what is known of the effects of components, which may be nothing yet.

    Raises
    ------
    ValueError
        When nothing of that name can be switched off, or not under these modes.
    """
    if by not in get_args(By):
        raise ValueError(f"by={by!r} does not exist: choose {', '.join(map(repr, get_args(By)))}.")
    if by != "mlp" and modes.masks != "all":
        raise ValueError(
            f"masks={modes.masks!r} keeps all attention edges, so that no head can be switched off: ask by='mlp', or "
            "with masks='all'."
        )
    kept, nothing = nothing_known(trace, by, n_edges, modes)
    return trace.effect_maps.get(kept, nothing).of(by)


def more_effects(trace: Explained, by: By, n_edges: int, modes: Modes) -> Effects:
    """Run the next batch of what is not known yet, the last layer first; keep it with the trace, and return all.

    Raises
    ------
    NoModelError
        When the trace was loaded from a file that does not have them.
    ModelChangedError
        When the model is no longer what was traced.
    NonFiniteError
        When the subgraph itself overflows, with nothing switched off.
    """
    kept, nothing = nothing_known(trace, by, n_edges, modes)
    found = trace.effect_maps.get(kept, nothing)
    places = found.places_of(by)
    missing = places[~found.known.flat[places]]
    base = not found.known.any()  # the first batch has the subgraph itself as well, with nothing switched off
    chosen = missing[::-1][: max(1, rows_a_batch(trace) - base)]
    names = found.components
    toggles: list[dict[str, str]] = [{}] * base + [{names[place]: "off"} for place in chosen]
    logits = _logits(trace, n_edges, [trace.parsed(each) for each in toggles], modes)
    trace.effect_maps[kept] = found = _with(found, trace, chosen, logits, base=base)
    return found.of(by)


def nothing_known(trace: Explained, by: By, n_edges: int, modes: Modes) -> tuple[Kept, Effects]:
    """Return the effects of all components, or of layers, of which none is known; and under what they are kept."""
    whole: Whole = "layer" if by == "layer" else "component"
    n_layers, n_heads = trace.graph[:2]
    shape = (n_layers,) if by == "layer" else (n_layers, n_heads + 1)
    chances = np.exp(metrics.log_probabilities(trace.full_logits))
    answer, rival = (TopToken(ids[0], trace.model.decode(ids[0]), float(chances[ids[0]])) for ids in trace.question)
    nothing = Effects(
        by=whole,
        size=size_of(n_edges, trace.n_edges),
        n_edges=n_edges,
        modes=modes,
        answer=answer,
        rival=rival,
        total_variation=np.full(shape, np.nan),
        logit_change=np.full(shape, np.nan),
        known=np.zeros(shape, dtype=bool),
    )
    return Kept(None if n_edges == trace.n_edges else trace.order, n_edges, modes, whole), nothing


def rows_a_batch(trace: Explained) -> int:
    """Return how many subgraphs a batch has; on a server as many as an answer can bring, since each request waits."""
    model = trace.traced_model()
    if model.server:
        most_bytes = min(BYTES_AN_ANSWER, model.server.limit)
        return max(1, int(most_bytes // (len(trace.full_logits) * model.sizes.number_bytes)))
    fewest, most = ROWS_A_BATCH
    return min(most, max(fewest, TOKENS_A_BATCH // len(trace.token_ids)))


def _logits(trace: Explained, n_edges: int, toggles: Sequence[Toggles], modes: Modes) -> Array:
    """Return the last logits (K, V) of K subgraphs; NaN for those that overflow, unless nothing is switched off."""
    model, n_kept = trace.traced_model(), np.full(len(toggles), n_edges)
    if n_edges == trace.n_edges:
        modes = replace(modes, residual="kept")  # in the whole graph they are: nothing has to be taken away
    try:
        return model.evaluate(trace.rows(modes), trace.ranks, n_kept, toggles, modes)
    except NonFiniteError:
        if len(toggles) == 1:
            if not toggles[0]:
                raise
            return np.full((1, len(trace.full_logits)), np.nan, dtype=np.float32)
    half = len(toggles) // 2
    return np.concatenate([_logits(trace, n_edges, part, modes) for part in (toggles[:half], toggles[half:])])


def figure_of(trace: Explained, logits: Array) -> Array:
    """Return the answers' logit above that of their rivals in logits (..., V): see `Effects.logit_change`."""
    answers, rivals = trace.question
    return Contrast(tuple(answers), tuple(rivals)).of(logits)


def _with(found: Effects, trace: Explained, places: Array, logits: Array, *, base: bool) -> Effects:
    """Return effects with those at some flat places, given the logits (K, V); of the subgraph itself in front."""
    difference = figure_of(trace, logits)
    far = np.full(len(logits), np.nan)
    finite = ~np.isnan(logits).any(axis=1)
    p, q = (np.exp(metrics.log_probabilities(each)) for each in (trace.full_logits, logits[finite]))
    far[finite] = metrics.total_variation(p, q)
    before = float(difference[0]) if base else found.subgraph_logit_difference
    arrays = {name: getattr(found, name).copy() for name in ARRAYS}
    for name, values in zip(ARRAYS, (far, difference - before, np.ones(len(far), dtype=bool)), strict=True):
        arrays[name].flat[places] = values[int(base) :]
    itself = float(far[0]) if base else found.subgraph_total_variation
    return replace(found, **arrays, subgraph_total_variation=itself, subgraph_logit_difference=before)
