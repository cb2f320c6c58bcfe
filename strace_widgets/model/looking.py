"""Asking what the stream predicts after each layer, and what each component writes to the prediction itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from ..interventions import lens
from . import answers, finite
from .calls import Call
from .tensors import unpacked

if TYPE_CHECKING:
    from ..graph.edges import Array, Edges
    from ..graph.modes import Modes
    from ..graph.toggles import Toggles
    from .architecture import Architecture
    from .model import Model

N_TOP = 5
"""How many tokens of each prediction are told."""


class Looked(NamedTuple):
    """What was seen in the full model and in a subgraph of it: two rows of everything.

    Attributes
    ----------
    top, top_log_probabilities : (2, L + 1, N_TOP) arrays
        Of the embeddings, then after each layer.
    log_probabilities : (2, L + 1, N) array
        Of the tokens asked about.
    heads, mlp, embeddings : (2, L, H), (2, L) and (2,) arrays, or None
        What each writes directly, in logits.
    pattern : (2, H, T, T) array, or None
    promoted, promoted_logits : (2, H, N_TOP) arrays, or None
    """

    top: Array
    top_log_probabilities: Array
    log_probabilities: Array
    heads: Array | None
    mlp: Array | None
    embeddings: Array | None
    pattern: Array | None
    promoted: Array | None
    promoted_logits: Array | None


def direct_refusal(architecture: Architecture) -> str | None:
    """Return why it cannot be said what a component writes directly, in words; None where it can."""
    a = architecture
    if a.closing_norm or a.attention_residual or a.mlp_residual:
        return (
            f"{a.name} normalises the stream again after each layer: nothing reaches the prediction as it was written."
        )
    if a.head is None:
        return f"The unembedding of {a.name} is no module of its own that could be asked."
    return None


def looked(
    model: Model,
    token_ids: Array,
    ranks: Edges,
    n_edges: int,
    toggles: Toggles | None,
    modes: Modes,
    tokens: tuple[list[int], list[int]],
    layer: int | None = None,
) -> Looked:
    """Look into the full model and the subgraph of the first edges, in one pass where memory allows.

    Parameters
    ----------
    model : Model
    token_ids : (T,) or (2, T) int64
        As `strace_widgets.results.explained.Explained.rows` has them.
    ranks : Edges
    n_edges : int
    toggles : Toggles, optional
    modes : Modes
    tokens : two lists of int
        The tokens asked for, and those that they are set against.
    layer : int, optional
        Whose attention to return.

    Raises
    ------
    NonFiniteError
        When something of what was seen is not finite.
    """
    asked = {
        "layer": layer,
        "tokens": [list(each) for each in tokens],
        "n_top": N_TOP,
        "direct": direct_refusal(model.architecture) is None,
    }
    calls = model.sweeps(token_ids, ranks, np.array([-1, n_edges]), toggles, modes)
    found = [model.ask(_look(model, call, asked, token_ids.shape[-1])) for call in calls]
    of_sizes = slice(int(modes.flags()["frozen"]), -1 if modes.patched else None)

    def joined(parts: list[Any]) -> Any:
        if parts[0] is None:
            return None
        return np.concatenate([(part if torch.is_tensor(part) else unpacked(part))[of_sizes] for part in parts])

    def several(place: int, n: int) -> list[Any]:
        return [joined([part[place] and part[place][each] for part in found]) for each in range(n)]

    top, chances, wanted, pattern = (joined([part[place] for part in found]) for place in (0, 1, 2, 4))
    heads, mlp, embeddings = several(3, 3)
    seen = Looked(top, chances, wanted, heads, mlp, embeddings, pattern, *several(5, 2))
    row = max((_first_bad_row(each) for each in seen[1:] if each is not None), default=-1)
    if row >= 0:
        what = ("after this prompt", f"in the subgraph of {n_edges:,} edges")[row]
        raise finite.not_finite(model, what, calls[0], n_edges=n_edges if row else None)
    return seen


def _first_bad_row(values: Array) -> int:
    """Return the first row that is not finite, or -1; minus infinity is a suppressed token's log probability."""
    bad = (np.isnan(values) | (values == np.inf)).reshape(len(values), -1).any(axis=1)
    return int(bad.argmax()) if bad.any() else -1


def _look(model: Model, call: Call, asked: dict[str, Any], n_tokens: int) -> Call:
    """Return the call that looks where another evaluates."""

    def form() -> answers.Form:
        return answers.looks(model, n_tokens, len(call.args()[2]), asked)

    return Call(lens.look, partial(_arguments, call, asked), form=form)


def _arguments(call: Call, asked: dict[str, Any]) -> tuple[Any, ...]:
    """Return the arguments of `lens.look` from those of the evaluation of the same masks."""
    token_ids, ranks, kept, toggles, flags, _, half, means = call.args()
    return token_ids, ranks, kept, toggles, flags, half, means, asked
