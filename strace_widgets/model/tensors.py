"""Arrays as a run inside the model takes and gives them: tensors, in as few bytes as say the same."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch

from ..graph.edges import NOT_IN_GRAPH, Array, Edges


def coarsened(ranks: Edges, kept: Array, *, attention: bool = True) -> tuple[Edges, Array]:
    """Return ranks and thresholds that give the same masks in a quarter of the bytes or less, before compression.

    An edge's rank matters only as far as it falls below some thresholds and not below others: it becomes the number of
    thresholds that it does not fall below. Attention ranks that no mask looks at are left out.
    """
    bounds = np.unique(kept[kept >= 0])
    kind = np.uint8 if len(bounds) < np.iinfo(np.uint8).max else np.int16

    def below(rank: Array) -> Array:
        return np.searchsorted(bounds, rank, side="right").astype(kind)

    coarse = [below(rank) for rank in ranks[1:]]
    whole = below(ranks.attention) if attention else np.zeros((len(ranks.attention), 1, 1, 1), dtype=kind)
    return Edges(whole, *coarse), np.where(kept < 0, -1, np.searchsorted(bounds, kept) + 1)


def with_others_kept(ranks: Edges) -> Edges:
    """Return ranks under which the edges that reach the output through no edge of the graph are always kept.

    Where modules round by all that they are given at once, a token that the prediction does not read still sets how
    finely the others are rounded: it is then left as it is in the model.
    """
    back = np.tri(ranks.n_tokens, dtype=bool)
    return Edges(
        np.where((ranks.attention == NOT_IN_GRAPH) & back, -1, ranks.attention),
        *(np.where(kind == NOT_IN_GRAPH, -1, kind) for kind in ranks[1:]),
    )


def unpacked(packed: tuple[Any, Any]) -> Array:
    """Return what `interventions.packed` packed, in float32."""
    values, factor = packed
    if values.dtype != torch.float32:  # float32 is not scaled, and may be large
        values = values.float() * factor
    return np.asarray(values.numpy(force=True))


def joined_scores(parts: list[Any]) -> tuple[Edges, Array]:
    """Return the scores and logits of answers of some layers each: see `interventions.packing.answer`."""
    of_each = [unpacked(part[0]) for part in parts]
    attention = of_each[0] if len(parts) == 1 else np.concatenate(of_each)  # large
    others = (np.concatenate([part[kind].numpy(force=True) for part in parts]) for kind in (1, 2, 3))
    return Edges(attention, *others), unpacked(parts[0][4])


def as_row(token_ids: Array) -> torch.Tensor:
    """Return token ids (T,) as a batch of one; a batch (B, T) as it is."""
    return torch.from_numpy(np.atleast_2d(np.asarray(token_ids, dtype=np.int64)))


def toggle_rows(toggles: tuple[Array, ...], start: int, n_rows: int, n_whole: int, n_last: int) -> tuple[Array, ...]:
    """Return the toggles of the rows of one pass; the rows of the whole model, in front and at the end, have none.

    ``toggles`` are as `strace_widgets.graph.toggles.stacked` returns them: for each mask, or once for all.
    """
    heads, mlps, edges = toggles
    if len(mlps) == 1:
        return toggles
    own = slice(start, start + n_rows - n_whole - n_last)
    edges = edges[(edges[:, 0] >= own.start) & (edges[:, 0] < own.stop)]
    return (
        *(
            np.concatenate([np.zeros_like(each[:n_whole]), each[own], np.zeros_like(each[:n_last])])
            for each in (heads, mlps)
        ),
        edges + np.array([n_whole - start, 0, 0, 0, 0, 0], dtype=np.int32),
    )


def digest(*parts: Any) -> bytes:
    """Return a digest of texts and arrays."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes())
    return found.digest()
