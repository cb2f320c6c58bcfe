"""Edges one after another, in the order of the trace: for a picture, and as a networkx graph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import MissingPackageError
from .edges import Array, Edges, Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML file can hold."""


class Listed(NamedTuple):
    """Edges by rank; each field has one value an edge, (n,).

    Attributes
    ----------
    part : int64
        0..H-1 is a head; H the residual edge past the attention, H + 1 the MLP, H + 2 the residual edge past the MLP.
    layer, target, source : int64
        The layer, and the tokens to which and from which it leads.
    rank : int32
    weight : float32
    """

    part: Array
    layer: Array
    target: Array
    source: Array
    rank: Array
    weight: Array


def listed(mask: Edges, ranks: Edges, weights: Edges) -> Listed:
    """List the edges that a mask keeps, the first of the order first.

    Parameters
    ----------
    mask : Edges of bool
    ranks : Edges of int32
    weights : Edges of float32
    """
    layer, head, target, source = np.nonzero(mask.attention)
    rows = [(head, layer, target, source, ranks.attention[mask.attention], weights.attention[mask.attention])]
    per_token = (kind[1:] for kind in (mask, ranks, weights))
    for place, (kept, rank, weight) in enumerate(zip(*per_token, strict=True)):
        layer, token = np.nonzero(kept)
        part = np.full(len(layer), mask.n_heads + place)
        rows.append((part, layer, token, token, rank[kept], weight[kept]))
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    order = np.argsort(columns[4], kind="stable")
    return Listed(*(column[order] for column in columns))


def kind_of(part: int, n_heads: int) -> str:
    """Return which of the fields of `Edges` a part of `Listed` belongs to.

    Parameters
    ----------
    part, n_heads : int
    """
    return "attention" if part < n_heads else Edges._fields[1 + part - n_heads]


def graph_layers(kind: str, layer: int, *, parallel: bool) -> tuple[int, int]:
    """Return the graph layers from which and to which an edge of a kind leads: see `strace_widgets.graph.edges`.

    Parameters
    ----------
    kind : str
        A field of `Edges`.
    layer : int
    parallel : bool
    """
    start = layer if parallel else 2 * layer + kind.startswith("mlp")
    return start, start + 1


def networkx_graph(edges: Listed, graph: Graph, tokens: Sequence[str]) -> Any:
    """Return edges as a `networkx.MultiDiGraph`, which `networkx.write_graphml` can write.

    Parameters
    ----------
    edges : Listed
    graph : Graph
    tokens : sequence of T str

    Raises
    ------
    MissingPackageError
        When networkx is not installed.
    """
    try:
        import networkx as nx  # noqa: PLC0415 - of the extra `graphs`
    except ImportError as reason:
        raise MissingPackageError(
            "A trace becomes a networkx graph with a package that is not installed: pip install "
            "'strace_widgets[graphs]', or networkx alone."
        ) from reason
    texts = [NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", token) for token in tokens]
    drawn = nx.MultiDiGraph(
        n_layers=graph.n_layers, n_heads=graph.n_heads, n_tokens=graph.n_tokens, parallel=graph.parallel
    )
    for part, layer, target, source, rank, weight in zip(*(column.tolist() for column in edges), strict=True):
        kind = kind_of(part, graph.n_heads)
        ends = [*zip(graph_layers(kind, layer, parallel=graph.parallel), (source, target), strict=True)]
        for graph_layer, token in ends:
            if (graph_layer, token) not in drawn:
                drawn.add_node((graph_layer, token), graph_layer=graph_layer, position=token, token=texts[token])
        head = {"head": part} if kind == "attention" else {}
        drawn.add_edge(*ends, key=rank, kind=kind, layer=layer, **head, weight=weight, rank=rank)
    return drawn
