"""Arrays as a run inside the model takes and gives them: tensors, in as few bytes as say the same."""

from __future__ import annotations

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


def as_row(token_ids: Array) -> torch.Tensor:
    """Return token ids as a batch of one."""
    return torch.from_numpy(np.asarray(token_ids, dtype=np.int64))[None]


def toggle_rows(toggles: tuple[Array, ...], start: int, n_rows: int, n_whole: int) -> tuple[Array, ...]:
    """Return the toggles of the rows of one pass; the rows of the whole model, in front, have none.

    ``toggles`` are as `strace_widgets.graph.toggles.stacked` returns them: for each mask, or once for all.
    """
    heads, mlps, edges = toggles
    if len(mlps) == 1:
        return toggles
    own = slice(start, start + n_rows - n_whole)
    edges = edges[(edges[:, 0] >= own.start) & (edges[:, 0] < own.stop)]
    return (
        np.concatenate([np.zeros_like(heads[:n_whole]), heads[own]]),
        np.concatenate([np.zeros_like(mlps[:n_whole]), mlps[own]]),
        edges + np.array([n_whole - start, 0, 0, 0, 0, 0], dtype=np.int32),
    )
