"""Prove on short inputs that a model is what its graph says: its edges sum to its nodes, and nothing else is read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import NonFiniteError, RemoteError, RemoteRunError, UnsupportedArchitectureError
from ..graph.edges import Edges, Graph
from ..graph.ranking import rank_edges
from ..interventions import proof
from ..waiting import say
from . import answers
from .calls import Call
from .finite import not_finite
from .tensors import as_row

if TYPE_CHECKING:
    from ..graph.edges import Array
    from .model import Model

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
"""Largest relative gap of an identity."""
ROUNDED = 3e-2
"""The same where half precision, or modules that round what they are given to a few bits, cannot do better."""

FIRST, SAME_LAST, OTHER = (np.array(ids) for ids in ([1, 2, 3, 4], [5, 6, 7, 4], [8, 7, 6, 5]))
"""The prompts of the proof."""

IDENTITIES = {
    "attention looks back only": "attention reads later tokens, and the graph has edges from earlier ones alone",
    "heads = attention · values": "a head says something else than its values, weighed by its attention",
    "heads go to the stream": "something stands between the heads and their map to the stream, such as a gate",
    "attention edges": "the edges would not sum to the nodes",
    "stream + attention + MLP": "the edges would not sum to the nodes",
    "linearised final norm": "the edges would not sum to the nodes",
    "a prompt runs the same in a batch": "chance, or what runs beside a prompt, would change its numbers",
    "values and MLP read one token": "a head's values or an MLP read other tokens, for which the graph has no edge",
    "layers read the stream alone": "a layer reads what an earlier one computed, for which the graph has no edge",
    "whole graph = model": "the whole graph would not give the model's prediction",
}
"""What is proved, and what would be wrong otherwise."""


def proved(model: Model) -> Model:
    """Return a model with the largest gaps that its proof showed, or refuse it.

    Raises
    ------
    UnsupportedArchitectureError
        When an identity does not hold; names it, the layer and the gap.
    NonFiniteError
        When numbers on the way are not finite, of which a gap would say nothing; names the place.
    """
    name = model.architecture.name
    say(f"checking the graph against {model.name}")
    try:
        gaps, kind = _measured(model)
    except RemoteError as reason:
        if not isinstance(reason, RemoteRunError):
            raise
        raise UnsupportedArchitectureError(f"{name} could not be traced there: {reason}") from reason
    except NonFiniteError:
        raise
    except Exception as reason:
        raise UnsupportedArchitectureError(f"{name} could not be traced: {reason}") from reason
    tolerance = ROUNDED if model.architecture.rounds else TOLERANCE.get(kind, ROUNDED)
    for identity, consequence in IDENTITIES.items():
        gap = gaps[identity].flatten()
        missing = (~(gap <= tolerance)).nonzero()
        if len(missing):
            # What reads past the stream is behind the last layer before which the stream alone does not do.
            where = f" of layer {int(missing[-1 if identity == 'layers read the stream alone' else 0])}"
            raise UnsupportedArchitectureError(
                f"{name} is not supported: the identity {identity!r}{where if gaps[identity].ndim else ''} misses by "
                f"{float(gap.max()):.2g} "
                f"(relative), more than {tolerance:.0e}, so {consequence}."
            )
    found = {identity: float(gaps[identity].max()) for identity in IDENTITIES}
    return replace(model, gaps=found, dtype=str(kind).removeprefix("torch."))


def _measured(model: Model) -> tuple[dict[str, torch.Tensor], torch.dtype]:
    """Return the gaps of each identity, a number or one a layer, and the model's number format."""
    # What a server sends still wants gradients.
    first = Call(proof.identity_gaps, lambda: (as_row(FIRST),), form=partial(answers.identity_gaps, model))
    ahead, heads, between, attention, block, norm, state = (gap.detach() for gap in model.ask(first))
    rows = np.stack([FIRST, SAME_LAST, *[OTHER] * (model.architecture.n_layers - 1)])
    form = partial(answers.reading_gaps, model, state.dtype)
    second = Call(proof.reading_gaps, lambda: (torch.from_numpy(rows),), form=form)
    token, stream, beside = (gap.detach() for gap in model.ask(second))
    # Where a batch is known to change a prompt's numbers, masks run one by one: then chance alone is left to look for.
    if model.architecture.rows_apart:
        beside = model.ask(first)[-1]
    model_itself, whole = torch.from_numpy(_states(model))
    gaps = {
        "attention looks back only": ahead,
        "heads = attention · values": heads,
        "heads go to the stream": between,
        "attention edges": attention,
        "stream + attention + MLP": block,
        "linearised final norm": norm,
        "values and MLP read one token": token,
        "layers read the stream alone": stream,
        "a prompt runs the same in a batch": proof.relative_gap(beside.float().cpu(), state.float().cpu()),
        "whole graph = model": proof.relative_gap(whole, model_itself),
    }
    if not all(bool(gap.isfinite().all()) for gap in gaps.values()):
        what = "on the four tokens of its proof"
        raise not_finite(replace(model, dtype=str(state.dtype).removeprefix("torch.")), what, first)
    return gaps, state.dtype


def _states(model: Model) -> Array:
    """Return the last hidden states (2, M) of the model itself and of its whole graph, in a batch with subgraphs.

    The path that every sweep takes: what the graph has no edge for is masked.
    """
    a = model.architecture
    graph = Graph(a.n_layers, a.n_heads, len(FIRST), a.parallel)
    ranks = rank_edges(Edges(*(kind.astype(np.float32) for kind in graph.exists())), graph)
    sizes = np.array([-1, graph.n_edges, graph.n_edges // 2, 0])
    # Not `Model.evaluate`: a smaller subgraph may overflow where the whole graph, which is the model, does not.
    calls = model.sweeps(FIRST, ranks, sizes, states=True)
    states: Array = model.joined_logits([model.ask(call) for call in calls])[:2]
    return states
