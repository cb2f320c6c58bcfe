"""Captured norms to weights: how much each edge matters to the node that it enters."""

from __future__ import annotations

import numpy as np

from .edges import Edges, edges_in_graph

MEASURES = {"l1": 1, "l2": 2}
"""Each importance measure and the order of its norm. ``"l1"`` is the paper's."""


def weigh(norms: Edges) -> Edges:
    """Divide each edge's norm by the sum of the norms of all edges that enter the same node (arXiv 2605.27033).

    Parameters
    ----------
    norms : Edges of float32
        The norm of each edge's vector, from `strace_widgets.interventions.capture`.

    Returns
    -------
    Edges of float32
        The weights that enter a node sum to 1; an edge that is not in the graph weighs 0.
    """
    exists = edges_in_graph(norms.n_layers, norms.n_heads, norms.n_tokens)
    attention, attention_residual, mlp, mlp_residual = (
        np.where(there, norm, np.float32(0)) for norm, there in zip(norms, exists, strict=True)
    )
    into_attention_node = attention.sum(axis=(1, 3)) + attention_residual
    into_mlp_node = mlp + mlp_residual
    # A node whose vectors are all zero (or that is not in the graph) has no share to give: its edges weigh 0.
    into_attention_node[into_attention_node == 0] = 1
    into_mlp_node[into_mlp_node == 0] = 1
    return Edges(
        attention / into_attention_node[:, None, :, None],
        attention_residual / into_attention_node,
        mlp / into_mlp_node,
        mlp_residual / into_mlp_node,
    )
