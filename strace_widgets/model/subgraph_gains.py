"""How far some subgraphs of a prompt are from the model, and what each edge gains them, in as few passes as fit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..graph.edges import Array, Edges
from ..interventions import gains
from . import answers, finite
from . import request_estimates as estimates
from .calls import Call
from .tensors import as_row, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..graph.modes import Modes
    from .model import Model


def subgraph_gains(
    model: Model, token_ids: Array, masks: Sequence[Edges], full_logits: Array, harm: float, modes: Modes
) -> tuple[Edges, Array]:
    """Return what each edge gains some subgraphs, in the mean over them, and the total variation of each.

    Parameters
    ----------
    model : Model
    token_ids : (T,) int64
    masks : N Edges of bool
        The subgraphs.
    full_logits : (V,) float32
    harm : float
        See `strace_widgets.interventions.gains.capture_subgraph_gains`.
    modes : Modes

    Returns
    -------
    gains : Edges of float32
    total_variation : (N,) float64

    Raises
    ------
    NoGradientsError
        When the model gives none.
    NonFiniteError
        When a gain is not finite.
    """
    call, found, far = _gains(model, token_ids, masks, full_logits, modes, harm)
    of_all = Edges(*(np.stack(kinds).mean(axis=0) for kinds in zip(*found, strict=True)))
    _check_finite(model, of_all, far, full_logits, call, masks[0])
    return of_all, far


def gains_of_each(
    model: Model, token_ids: Array, masks: Sequence[Edges], full_logits: Array, modes: Modes
) -> tuple[list[Edges], Array]:
    """Return the signed gains of each subgraph's edges, and each total variation; parameters as for `subgraph_gains`.

    A subgraph that does not count (`strace_widgets.interventions.gains.capture_subgraph_gains`) has gains of 0.

    Raises
    ------
    NoGradientsError
        When the model gives none.
    NonFiniteError
        When a gain is not finite.
    """
    call, found, far = _gains(model, token_ids, masks, full_logits, modes, None)
    whole = int(modes.flags()["frozen"])
    of_each = [Edges(*(kind[:, row] for kind in rows)) for rows in found for row in range(whole, rows.mlp.shape[1])]
    for each, mask in zip(of_each, masks, strict=True):
        _check_finite(model, each, far, full_logits, call, mask)
    return of_each, far


def _gains(
    model: Model, token_ids: Array, masks: Sequence[Edges], full_logits: Array, modes: Modes, harm: float | None
) -> tuple[Call, list[Edges], Array]:
    """Ask for gains; return the first call, the gains of each answer, and the total variation of each subgraph."""
    first = masks[0]
    rows = estimates.rows_a_gain(first.n_layers, first.n_heads, first.n_tokens)
    function = gains.capture_subgraph_gains
    returned = None if harm is None else 1
    calls = _calls(model, function, token_ids, masks, full_logits, modes, rows, returned, harm, model.half)
    said = [model.ask(call) for call in calls]
    found = [Edges(unpacked(each[0]), *(kind.numpy(force=True) for kind in each[1:4])) for each in said]
    return calls[0], found, _of_subgraphs([each[4] for each in said], modes)


def subgraph_errors(model: Model, token_ids: Array, masks: Sequence[Edges], full_logits: Array, modes: Modes) -> Array:
    """Return the total variation (N,) float64 of some subgraphs; parameters as for `subgraph_gains`.

    Raises
    ------
    NonFiniteError
        When a subgraph's prediction is none.
    """
    rows = estimates.rows_a_pass(masks[0].n_heads, masks[0].n_tokens)
    calls = _calls(model, gains.capture_subgraph_errors, token_ids, masks, full_logits, modes, rows, 0)
    far = _of_subgraphs([model.ask(call) for call in calls], modes)
    _check_finite(model, masks[0], far, full_logits, calls[0], masks[0])
    return far


def _calls(
    model: Model,
    function: Callable[..., Any],
    token_ids: Array,
    masks: Sequence[Edges],
    full_logits: Array,
    modes: Modes,
    rows: int,
    returned: int | None,
    *more: Any,
) -> list[Call]:
    """Return the calls that ask about all subgraphs, some at a time; ``returned`` as ``answers`` of `of_subgraphs`."""
    flags = modes.flags()
    if flags["inverse"] or flags["keep_residual"]:
        raise ValueError("Refining looks at the trace's own subgraphs: it takes neither inverse nor residual='kept'.")
    if modes.patched:
        raise ValueError("Refining cannot patch: refine under another ablation, and evaluate what comes out patched.")
    rows = 1 if model.architecture.rows_apart else rows
    if model.server:
        estimates.of_subgraphs(model.sizes, len(token_ids), len(masks), returned).check(model.server.limit)
    means = model.means() if modes.ablation == "mean" else None

    def args(some: Sequence[Edges]) -> tuple[Any, ...]:
        # Frozen attention is that of a row of the whole model, in front.
        front = [Edges(*(np.ones_like(kind) for kind in some[0]))] if flags["frozen"] else []
        kept = tuple(torch.from_numpy(bits(kinds)) for kinds in zip(*front, *some, strict=True))
        logits = torch.from_numpy(full_logits)
        return as_row(token_ids), kept, len(front) + len(some), logits, flags, means, *more

    def form(some: Sequence[Edges]) -> answers.Form:
        n_rows = len(some) + flags["frozen"]
        if returned == 0:
            return answers.Numbers((n_rows,))
        return answers.gains(model, len(token_ids), n_rows, each=returned is None)

    parts = [masks[start : start + rows] for start in range(0, len(masks), rows)]
    return [Call(function, partial(args, part), returned != 0, form=partial(form, part)) for part in parts]


def _of_subgraphs(said: list[Any], modes: Modes) -> Array:
    """Return the figures of the subgraphs alone, one after the other."""
    whole = int(modes.flags()["frozen"])
    return np.concatenate([each.numpy(force=True)[whole:] for each in said]).astype(np.float64)


def _check_finite(model: Model, gained: Edges, far: Array, full_logits: Array, call: Call, mask: Edges) -> None:
    if np.isfinite(far).all() and all(np.isfinite(kind).all() for kind in gained):
        return
    finite.check_scores(model, gained, full_logits, call, backward=True, n_edges=mask.n_kept)
    raise finite.not_finite(model, f"in a subgraph of {mask.n_kept:,} edges", call, n_edges=mask.n_kept)


def bits(masks: Sequence[Array]) -> Array:
    """Return N masks of one shape as uint8 (ceil(N / 8), ...), a bit each."""
    packed: Array = np.packbits(np.stack(masks), axis=0, bitorder="little")
    return packed
