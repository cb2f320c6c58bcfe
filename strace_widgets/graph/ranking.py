"""Weights to ranks: the order in which edges enter the trace (arXiv 2605.27033; docs/method.md).

*Best-first* from the output node backwards: a max-heap keyed (-weight, push counter) holds the edges that enter the
nodes reached so far. Popping an edge adds it to the trace and, if its source node is new, pushes all edges that enter
that source. One traversal gives the trace of every size: the trace of n edges is the first n popped.

So says the definition. A graph of millions of edges is ranked by sorting, which gives the same order, ties included:
compiled, in `strace_widgets.graph._best_first`. The other extractions here are plain.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .edges import NOT_IN_GRAPH, Array, Edges, Graph


class Node(NamedTuple):
    """A node of the graph: graph layer and token."""

    graph_layer: int
    token: int


class Entering(NamedTuple):
    """The edges that enter a node, in push order: kind (a field of `Edges`), index in that field, source token."""

    kinds: list[str]
    indices: list[tuple[int, ...]]
    sources: list[int]
    weights: Array


def entering(weights: Edges, graph: Graph, node: Node) -> Entering:
    """List the edges that enter a node in push order.

    Residual, (MLP in a parallel block,) heads from the token itself, then heads from each earlier token; into an MLP
    node residual, then MLP.
    """
    graph_layer, token = node
    layer = (graph_layer - 1) if graph.parallel else (graph_layer - 1) // 2
    here = (layer, token)
    if not graph.parallel and graph_layer % 2 == 0:
        values = np.array([weights.mlp_residual[here], weights.mlp[here]])
        return Entering(["mlp_residual", "mlp"], [here, here], [token, token], values)
    own = ["attention_residual", "mlp"] if graph.parallel else ["attention_residual"]
    sources = [token, *range(token)]
    by_source = weights.attention[layer, :, token, : token + 1].T[sources]
    heads = range(graph.n_heads)
    return Entering(
        own + ["attention"] * by_source.size,
        [here] * len(own) + [(layer, head, token, source) for source in sources for head in heads],
        [token] * len(own) + [source for source in sources for _ in heads],
        np.concatenate([[getattr(weights, kind)[here] for kind in own], by_source.ravel()]),
    )


def output_node(graph: Graph) -> Node:
    """Return the node that the trace explains."""
    return Node(graph.n_layers * (1 if graph.parallel else 2), graph.n_tokens - 1)


def rank_edges(weights: Edges, graph: Graph) -> Edges:
    """Return each edge's place in the best-first order, 0 for the first; ties go to the edge pushed earlier.

    Parameters
    ----------
    weights : Edges of float
        Importance, larger first.
    graph : Graph

    Returns
    -------
    Edges of int32
        ``NOT_IN_GRAPH`` where there is no edge. The mask of n edges is ``rank < n``.
    """
    from ._best_first import best_first  # noqa: PLC0415 - the compiler is loaded by the first trace only

    ranks = nowhere(weights)
    compact = tuple(np.ascontiguousarray(kind, dtype=np.float32) for kind in weights)
    best_first(Edges(*compact), ranks, parallel=graph.parallel)
    return ranks


def rank_randomly(graph: Graph, seed: int = 0) -> Edges:
    """Return the random connected order of the published code: node after node, each with all edges that enter it.

    The next node is drawn from those reached; its residual and MLP edges come first, then its attention edges,
    shuffled. The published code evaluates this baseline with all residual edges kept. The measure ``"random"`` of
    `strace_widgets.graph.measures.MEASURES` draws edges instead of nodes, and can be compared with a trace directly.

    Parameters
    ----------
    graph : Graph
    seed : int
    """
    random = np.random.default_rng(seed)
    exists = graph.exists()
    ranks = nowhere(exists)
    frontier, seen, rank = [output_node(graph)], {output_node(graph)}, 0
    while frontier:
        node = frontier.pop(int(random.integers(len(frontier))))
        edges = entering(exists, graph, node)
        attention = [edge for edge, kind in enumerate(edges.kinds) if kind == "attention"]
        others = [edge for edge, kind in enumerate(edges.kinds) if kind != "attention"]
        for edge in [*others, *random.permutation(attention).tolist()]:
            getattr(ranks, edges.kinds[edge])[edges.indices[edge]] = rank
            rank += 1
            source = Node(node.graph_layer - 1, edges.sources[edge])
            if source.graph_layer > 0 and source not in seen:
                seen.add(source)
                frontier.append(source)
    return ranks


def nucleus_mask(weights: Edges, graph: Graph, mass: float) -> Edges:
    """Return the mask that keeps, into each node reached from the output, its heaviest edges up to a share.

    Edges of weight 0 are never kept (the published code's extraction by nucleus).

    Parameters
    ----------
    weights : Edges of float
    graph : Graph
    mass : float in (0, 1]
        The share of the weight that enters the node.

    Raises
    ------
    ValueError
        When the share is not in (0, 1].
    """
    if not 0 < mass <= 1:
        raise ValueError(f"A nucleus holds a share of the weight with 0 < mass <= 1; {mass!r} is not in that range.")

    def heaviest(values: Array) -> Array:
        order = np.argsort(-values, kind="stable")
        before = np.concatenate([[0.0], np.cumsum(values[order])[:-1]])
        chosen = np.zeros(len(values), dtype=bool)
        # Sums of float32 shares reach 1 only up to rounding.
        chosen[order] = before < mass * values.sum() - 1e-7
        return chosen & (values > 0)

    return _reached(weights, graph, heaviest)


def threshold_mask(weights: Edges, graph: Graph, threshold: float) -> Edges:
    """Return the mask of the edges heavier than a threshold that are connected to the output through such edges.

    Parameters
    ----------
    weights : Edges of float
    graph : Graph
    threshold : float
    """
    return _reached(weights, graph, lambda values: values > threshold)


def _reached(weights: Edges, graph: Graph, choose: Any) -> Edges:
    """Walk back from the output node along the edges that a rule keeps among those entering each node."""
    mask = Edges(*(np.zeros(kind.shape, dtype=bool) for kind in weights))
    waiting, seen = [output_node(graph)], {output_node(graph)}
    while waiting:
        node = waiting.pop()
        edges = entering(weights, graph, node)
        for edge in np.flatnonzero(choose(edges.weights)).tolist():
            getattr(mask, edges.kinds[edge])[edges.indices[edge]] = True
            source = Node(node.graph_layer - 1, edges.sources[edge])
            if source.graph_layer > 0 and source not in seen:
                seen.add(source)
                waiting.append(source)
    return mask


def nowhere(like: Edges) -> Edges:
    """Return ranks in the shape of some edges, all of them not in the graph."""
    return Edges(*(np.full(kind.shape, NOT_IN_GRAPH, dtype=np.int32) for kind in like))
