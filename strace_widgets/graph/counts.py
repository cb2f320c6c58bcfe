"""How many edges of each head, MLP, layer and position are in traces of several sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .edges import Array, Edges


def component_counts(ranks: Edges, level_n_edges: Array) -> tuple[dict[str, Array], Array]:
    """Count the edges of each head, MLP and layer at each level, and those into each position.

    Parameters
    ----------
    ranks : Edges of int32
    level_n_edges : (K,) array
        Ascending; the last level is the whole graph.

    Returns
    -------
    dict of arrays
        Counts (K, L, H), (K, L) and (K, L) of int32, and their totals.
    (K, L, T) int64
        Edges into token t in layer l.
    """
    n_levels, levels = len(level_n_edges), level_n_edges.astype(ranks.attention.dtype)

    def at_levels(rows: Array) -> Array:
        """Return how many ranks of each row (..., n) each level (K, ...) has."""
        # An edge enters at the first level of more than `rank` edges; a running sum then gives every level at once.
        entered = np.searchsorted(levels, rows, side="right").reshape(-1, rows.shape[-1])
        entered += (n_levels + 1) * np.arange(len(entered))[:, None]
        per_row = np.bincount(entered.ravel(), minlength=len(entered) * (n_levels + 1)).reshape(-1, n_levels + 1)
        return per_row[:, :-1].cumsum(axis=1).T.reshape(n_levels, *rows.shape[:-1])

    heads, positions = [], []
    mlp, *passing = (at_levels(kind[..., None]) for kind in (ranks.mlp, ranks.attention_residual, ranks.mlp_residual))
    for attention in ranks.attention:  # a layer at a time, which bounds the memory
        into = at_levels(attention)
        heads.append(into.sum(axis=2))
        positions.append(into.sum(axis=1))
    head_edges, mlp_edges = np.stack(heads, axis=1), mlp.sum(axis=2)
    position_edges = np.stack(positions, axis=1) + mlp + sum(passing)
    layer_edges = position_edges.sum(axis=2)
    counts = {
        "head_edges": head_edges,
        "mlp_edges": mlp_edges,
        "layer_edges": layer_edges,
        "head_total": head_edges[-1, :, 0],
        "mlp_total": mlp_edges[-1],
        "layer_total": layer_edges[-1],
    }
    return {name: count.astype(np.int32) for name, count in counts.items()}, position_edges
