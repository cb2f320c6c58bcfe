"""The best-first loop, compiled: the order that `ranking` describes, for graphs of millions of edges.

Apart from `ranking` because importing numba takes half a second, which only the first trace should pay.

A node is numbered ``graph_layer * T + token``. Its edges in push order are residual, (MLP in a parallel block,) heads
from the token itself, heads from each earlier token; into an MLP node residual, then MLP.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def best_first(weights: Any, attention_ranks: Any, token_ranks: Any, parallel: bool) -> None:  # noqa: FBT001
    """Write each edge's rank into ``attention_ranks`` (L, H, T, T) and ``token_ranks``, three arrays (L, T).

    ``weights`` and the ranks are in the order of `strace_widgets.graph.edges.Edges`.
    """
    n_layers, n_heads, n_tokens, _ = weights[0].shape
    start = _first_edges(n_layers, n_heads, n_tokens, parallel)
    n_nodes = len(start) - 1
    # One buffer holds the sorted edges of all nodes: keys, the larger weight first, and places in push order.
    keys, order = np.empty(start[-1], dtype=np.float64), np.empty(start[-1], dtype=np.int32)
    first_push, taken = np.full(n_nodes, -1, dtype=np.int64), np.zeros(n_nodes, dtype=np.int64)
    heap: Any = [(0.0, np.int64(0), np.int64(0)) for _ in range(0)]
    pushed, rank, source = np.int64(0), 0, np.int64(n_nodes - 1)  # the output node
    while True:
        if source >= n_tokens and first_push[source] < 0:
            begin, end = start[source], start[source + 1]
            _copy_keys(keys[begin:end], weights, source, parallel)
            sorting = np.argsort(keys[begin:end], kind="mergesort")  # stable: ties go to the earlier push
            keys[begin:end], order[begin:end] = keys[begin:end][sorting], sorting
            first_push[source] = pushed
            heapq.heappush(heap, (keys[begin], pushed + sorting[0], source))
            pushed += end - begin
        if len(heap) == 0:
            return
        node = heap[0][2]
        edge = order[start[node] + taken[node]]
        taken[node] += 1
        following = start[node] + taken[node]
        if following < start[node + 1]:
            heapq.heapreplace(heap, (keys[following], first_push[node] + order[following], node))
        else:
            heapq.heappop(heap)
        source = _write_rank(attention_ranks, token_ranks, node, edge, rank, parallel)
        rank += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _first_edges(n_layers: int, n_heads: int, n_tokens: int, parallel: bool) -> Any:  # noqa: FBT001
    """Return where each node's edges begin in the buffer, and its whole length at the end."""
    graph_layers = n_layers if parallel else 2 * n_layers
    start = np.zeros((graph_layers + 1) * n_tokens + 1, dtype=np.int64)
    for node in range(n_tokens, len(start) - 1):
        attention = n_heads * (node % n_tokens + 1)
        into_attention_node = attention + 1
        if parallel:
            start[node + 1] = attention + 2
        else:
            start[node + 1] = into_attention_node if node // n_tokens % 2 else 2
    return np.cumsum(start)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _copy_keys(keys: Any, weights: Any, node: int, parallel: bool) -> None:  # noqa: FBT001
    """Write the negative weights of the edges that enter a node, in push order."""
    attention, attention_residual, mlp, mlp_residual = weights
    _, n_heads, n_tokens, _ = attention.shape
    graph_layer, token = node // n_tokens, node % n_tokens
    layer = graph_layer - 1 if parallel else (graph_layer - 1) // 2
    if not parallel and graph_layer % 2 == 0:
        keys[0], keys[1] = -mlp_residual[layer, token], -mlp[layer, token]
        return
    keys[0] = -attention_residual[layer, token]
    place = 1
    if parallel:
        keys[1] = -mlp[layer, token]
        place = 2
    for block in range(token + 1):
        source = token if block == 0 else block - 1
        for head in range(n_heads):
            keys[place] = -attention[layer, head, token, source]
            place += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _write_rank(
    attention_ranks: Any,
    token_ranks: Any,
    node: int,
    edge: int,
    rank: int,
    parallel: bool,  # noqa: FBT001
) -> Any:
    """Write the rank of one edge of a node, by its place in push order, and return the node that it comes from."""
    _, n_heads, n_tokens, _ = attention_ranks.shape
    attention_residual, mlp, mlp_residual = token_ranks
    graph_layer, token = node // n_tokens, node % n_tokens
    layer = graph_layer - 1 if parallel else (graph_layer - 1) // 2
    source = token
    if not parallel and graph_layer % 2 == 0:
        (mlp if edge else mlp_residual)[layer, token] = rank
    elif edge == 0:
        attention_residual[layer, token] = rank
    elif parallel and edge == 1:
        mlp[layer, token] = rank
    else:
        block, head = divmod(edge - (2 if parallel else 1), n_heads)
        source = token if block == 0 else block - 1
        attention_ranks[layer, head, token, source] = rank
    return np.int64((graph_layer - 1) * n_tokens + source)
