"""The order and the masks in the style of the published code, by networkx.

A graph has an edge for every head, MLP and residual; a heap holds edges; masks are read off a subgraph. To be measured
against, and to check the package's order with: it shares no code with it. The order is that of docs/method.md, ties
included.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Edge = tuple[Any, Any, tuple[Any, ...]]
"""Source and target, each (graph layer, token), and the edge's place in the arrays: its kind, then its index."""


def graph_of(weights: Any, *, parallel: bool = False) -> nx.MultiDiGraph:
    """Return the graph of a prompt with the weight of every edge.

    Parameters
    ----------
    weights : Edges of float32
        Named arrays ``attention`` (L, H, T, T), and ``attention_residual``, ``mlp`` and ``mlp_residual`` (L, T).
    parallel : bool
        Whether attention and MLP of a layer enter one node together.
    """
    graph = nx.MultiDiGraph()
    n_layers, n_heads, n_tokens, _ = weights.attention.shape
    for layer, token in itertools.product(range(n_layers), range(n_tokens)):
        if layer == n_layers - 1 and token < n_tokens - 1:
            continue  # of the last layer only the last token leads to the output
        for source, target, place in _entering(layer, token, n_heads, parallel=parallel):
            kind, *index = place
            graph.add_edge(source, target, key=place, weight=float(getattr(weights, kind)[tuple(index)]))
    return graph


def _entering(layer: int, token: int, n_heads: int, *, parallel: bool) -> Iterator[Edge]:
    """Yield the edges into a token's nodes of a layer, those of one node in the order in which they are pushed."""
    below = layer if parallel else 2 * layer
    middle = (below + 1, token)
    yield (below, token), middle, ("attention_residual", layer, token)
    if parallel:
        yield (below, token), middle, ("mlp", layer, token)
    for source in (token, *range(token)):
        for head in range(n_heads):
            yield (below, source), middle, ("attention", layer, head, token, source)
    if not parallel:
        out = (below + 2, token)
        yield middle, out, ("mlp_residual", layer, token)
        yield middle, out, ("mlp", layer, token)


def ordered(graph: nx.MultiDiGraph) -> list[Edge]:
    """Return all edges in the order in which the best-first search from the output node takes them."""
    pushes = itertools.count()
    heap: list[tuple[float, int, Edge]] = []

    def push_edges_into(node: Any) -> None:
        for source, target, place, weight in graph.in_edges(node, keys=True, data="weight"):
            heapq.heappush(heap, (-weight, next(pushes), (source, target, place)))

    output = max(graph.nodes)  # the highest graph layer, and there the last token
    push_edges_into(output)
    reached, order = {output}, []
    while heap:
        edge = heapq.heappop(heap)[2]
        order.append(edge)
        if edge[0] not in reached:
            reached.add(edge[0])
            push_edges_into(edge[0])
    return order


def masks_of(graph: nx.MultiDiGraph, kept: Sequence[Edge], like: Any) -> Any:
    """Return which edges a subgraph keeps, as arrays of the shapes and of the type of ``like``."""
    masks = type(like)(*(np.zeros(kind.shape, dtype=bool) for kind in like))
    for _, _, (kind, *index) in graph.edge_subgraph(kept).edges(keys=True):
        getattr(masks, kind)[tuple(index)] = True
    return masks
