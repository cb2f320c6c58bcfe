"""The order of a graph's edges, as a value that traces share: known, or worked out when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MissingPackageError, TraceFileError
from .edges import Edges, Graph
from .ranking import rank_edges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .edges import Array


@dataclass(frozen=True, eq=False)
class Order:
    """An order that is known.

    Attributes
    ----------
    ranks : Edges of int32
    weights : Edges or None
        The weights from which it follows, best first (`strace_widgets.graph.ranking.rank_edges`); None for any other.
    """

    ranks: Edges
    weights: Edges | None = None


@dataclass(eq=False)
class SavedOrder:
    """The order that followed from weights when they were saved; it is worked out when it is first asked for.

    Attributes
    ----------
    weights : Edges of float32
    graph : Graph
    sha256 : str
        The `checksum` of the ranks.
    """

    weights: Edges
    graph: Graph
    sha256: str

    @cached_property
    def ranks(self) -> Edges:
        """The ranks, as they were; a `TraceFileError` where these weights now give others."""
        try:
            ranks = rank_edges(self.weights, self.graph)
        except ImportError as reason:
            raise MissingPackageError(
                f"The order of a saved trace's edges is worked out with a package that is missing ({reason}): "
                "pip install numba"
            ) from reason
        if checksum(ranks, self.graph) != self.sha256:
            raise TraceFileError(
                "The order of the edges of this saved trace is no longer the one that it was saved with: it follows "
                "from the weights, and its checksum in the file is another. Read it with the version of "
                "strace_widgets that wrote it, or trace the prompt again."
            )
        return ranks


def best_first(weights: Edges, graph: Graph) -> Order:
    """Return the order that follows from weights.

    Parameters
    ----------
    weights : Edges of float
    graph : Graph
    """
    return Order(rank_edges(weights, graph), weights)


def by_layer(values: Edges, graph: Graph) -> Iterator[Array]:
    """Yield the values of the edges of one layer after another, each (n,).

    In a layer, attention edges come first, by head, target and source, then the attention's residual edges, the MLP's
    and the residual edges beside it, each by token: `Edges`, without what is not in the graph.

    Parameters
    ----------
    values : Edges
    graph : Graph
    """
    for layer in range(graph.n_layers):
        there = in_layer(graph, layer)
        yield np.concatenate([kind[layer][present] for kind, present in zip(values, there, strict=True)])


def in_layer(graph: Graph, layer: int) -> Edges:
    """Return the mask of one layer's edges in the graph, without the dimension of layers: those of the last are fewer.

    Parameters
    ----------
    graph : Graph
    layer : int
    """
    of_two = graph._replace(n_layers=2).exists()  # the first stands for all but the last
    return Edges(*(kind[int(layer == graph.n_layers - 1)] for kind in of_two))


def checksum(ranks: Edges, graph: Graph) -> str:
    """Return the SHA-256, in hexadecimal digits, of ranks as little-endian int32 in the sequence of `by_layer`.

    Parameters
    ----------
    ranks : Edges of int32
    graph : Graph
    """
    digest = sha256()
    for values in by_layer(ranks, graph):
        digest.update(values.astype("<i4", copy=False).data)
    return digest.hexdigest()
