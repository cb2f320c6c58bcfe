"""Weights to ranks: the best-first order from the output node backwards (arXiv 2605.27033; design, section 2).

A max-heap keyed (-weight, push counter) holds the edges that enter the nodes reached so far. Popping an edge adds it
to the trace and, if its source node is new, pushes all edges that enter that source. One traversal gives the trace of
every size: the trace of n edges is the first n popped.

A node's edges are pushed together, with consecutive counters. So it is enough to sort each node's edges once and to
keep *nodes* in the heap, each with its best remaining edge: the order is the same and the heap stays small.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from .edges import NOT_IN_GRAPH, Edges, count_edges


def rank_edges(weights: Edges) -> Edges:
    """Return each edge's place in the best-first order, 0 for the first; ties go to the edge pushed earlier.

    Parameters
    ----------
    weights : Edges of float
        Importance, larger first.

    Returns
    -------
    Edges of int32
        ``NOT_IN_GRAPH`` where there is no edge. The mask of n edges is ``rank < n``.
    """
    n_layers, n_heads, n_tokens = weights.n_layers, weights.n_heads, weights.n_tokens
    ranks = Edges(*(np.full(kind.shape, NOT_IN_GRAPH, dtype=np.int32) for kind in weights))
    heap: list[tuple[float, int, tuple[int, int], int]] = []
    entering: dict[tuple[int, int], tuple[list[float], list[int], int]] = {}
    pushed = 0

    def reach(node: tuple[int, int]) -> None:
        """Sort the edges that enter a node and put its best one on the heap."""
        nonlocal pushed
        graph_layer, token = node
        if graph_layer == 0 or node in entering:
            return
        if graph_layer % 2:
            values = _entering_attention_node(weights, graph_layer // 2, token)
        else:
            layer = graph_layer // 2 - 1
            values = np.array([weights.mlp_residual[layer, token], weights.mlp[layer, token]])
        order = np.argsort(-values, kind="stable")
        entering[node] = (values[order].tolist(), order.tolist(), pushed)
        heapq.heappush(heap, (-float(values[order[0]]), pushed + int(order[0]), node, 0))
        pushed += len(values)

    reach((2 * n_layers, n_tokens - 1))
    for rank in range(count_edges(n_layers, n_heads, n_tokens)):
        _, _, node, place = heap[0]
        graph_layer, target = node
        values, order, first = entering[node]
        local = order[place]
        if place + 1 < len(order):
            heapq.heapreplace(heap, (-values[place + 1], first + order[place + 1], node, place + 1))
        else:
            heapq.heappop(heap)
        source = target
        if graph_layer % 2 == 0:
            (ranks.mlp if local else ranks.mlp_residual)[graph_layer // 2 - 1, target] = rank
        elif local == 0:
            ranks.attention_residual[graph_layer // 2, target] = rank
        else:
            head, source = _head_and_source(local, target, n_heads)
            ranks.attention[graph_layer // 2, head, target, source] = rank
        reach((graph_layer - 1, source))
    return ranks


def _entering_attention_node(weights: Edges, layer: int, target: int) -> np.ndarray[Any, Any]:
    """Return an attention node's weights in push order: residual, own heads, then the heads of each earlier token."""
    by_source = weights.attention[layer, :, target, : target + 1].T
    residual = weights.attention_residual[layer, target]
    return np.concatenate([[residual], by_source[target], by_source[:target].ravel()])


def _head_and_source(local: int, target: int, n_heads: int) -> tuple[int, int]:
    """Undo the push order of `_entering_attention_node`."""
    block, head = divmod(local - 1, n_heads)
    return head, target if block == 0 else block - 1
