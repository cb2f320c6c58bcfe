"""A graph whose edges are weighed and ranked, and the subgraphs that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .edges import Array, Edges, Graph, edges_kept, size_of
from .listing import listed, networkx_graph
from .ranking import nucleus_mask, threshold_mask
from .toggles import Toggles, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .order import Order, SavedOrder

LEVELS = 48
"""How many sizes the standard sweep chooses from, at most."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RankedGraph:
    """What a trace says of its graph; nothing here needs a model.

    Attributes
    ----------
    graph : Graph
        L, H, T, and whether blocks are parallel.
    weights : Edges of float32
    order : Order or SavedOrder
        Of the edges: that which follows from the weights, or another.
    tokens : list of str
        The texts of the T tokens.
    """

    graph: Graph
    weights: Edges
    order: Order | SavedOrder
    tokens: list[str]

    @property
    def ranks(self) -> Edges:
        """Each edge's place in the order, int32: the trace of n edges is ``rank < n``."""
        return self.order.ranks

    @property
    def n_edges(self) -> int:
        """E, the edges of the whole graph."""
        return self.graph.n_edges

    def mask(self, size: float, toggles: Mapping[str, str] | Toggles | None = None) -> Edges:
        """Return which edges are kept at relative size s: exactly int(s E) of them, before any toggles.

        Parameters
        ----------
        size : float in (0, 1]
        toggles : dict, optional
            What is switched on or off: heads and MLPs, ``{"21.4": "off", "18.mlp": "on"}``, positions, ``"21@3"``, and
            edges, ``"21.4@1>3"``; see `strace_widgets.graph.toggles`.

        Raises
        ------
        ValueError
            When the size is not in (0, 1].
        ToggleError
            When a component does not exist.
        """
        kept = edges_kept(size, self.n_edges)
        return self.parsed(toggles).apply(Edges(*(kind < kept for kind in self.ranks)), self.graph)

    def to_networkx(self, size: float, toggles: Mapping[str, str] | Toggles | None = None) -> Any:
        """Return the subgraph of relative size s as a `networkx.MultiDiGraph`; ``networkx.write_graphml`` writes it.

        Its nodes are ``(graph layer, token)``, with the token's text as ``token``, its place as ``position``, and
        ``graph_layer``; see `strace_widgets.graph.edges` for the graph layers. An edge has its ``kind`` (a field of
        `Edges`), ``layer``, ``head`` where it has one, ``weight`` and ``rank``, which is its key as well.

        Parameters
        ----------
        size, toggles
            As for `mask`.

        Raises
        ------
        MissingPackageError
            When networkx is not installed: it comes with the extra ``graphs``.
        """
        edges = listed(self.mask(size, toggles), self.ranks, self.weights)
        return networkx_graph(edges, self.graph, self.tokens)

    def parsed(self, toggles: Mapping[str, str] | Toggles | None) -> Toggles:
        """Return toggles as a checked value, which can stand for them wherever they are taken.

        Parameters
        ----------
        toggles : dict, optional
            As for `mask`.
        """
        return parse(toggles, *self.graph[:3])

    def kept(self, sizes: Iterable[float]) -> Array:
        """Return the numbers of edges int(s E) of relative sizes s, (K,) int64.

        Parameters
        ----------
        sizes : K floats in (0, 1]
        """
        return np.array([edges_kept(size, self.n_edges) for size in sizes], dtype=np.int64)

    def nucleus_mask(self, mass: float) -> Edges:
        """Return the mask that keeps the heaviest edges into each node, up to a share ``mass`` of its weight.

        Parameters
        ----------
        mass : float in (0, 1]
        """
        return nucleus_mask(self.weights, self.graph, mass)

    def threshold_mask(self, weight: float) -> Edges:
        """Return the mask of the edges heavier than ``weight`` that such edges connect to the output.

        Parameters
        ----------
        weight : float
        """
        return threshold_mask(self.weights, self.graph, weight)

    def connected(self, size: float) -> bool:
        """Return whether the trace of size s reaches an embedding, so that it can depend on the prompt at all.

        Parameters
        ----------
        size : float in (0, 1]
        """
        into_first_layer = [self.ranks.attention[0], self.ranks.attention_residual[0]]
        if self.graph.parallel:
            into_first_layer.append(self.ranks.mlp[0])
        return edges_kept(size, self.n_edges) > min(int(kind.min()) for kind in into_first_layer)

    def standard_sizes(self) -> list[float]:
        """Return the sizes from which the standard sweep chooses, evenly spaced on a log scale from one edge to all."""
        kept = np.unique(np.geomspace(1, self.n_edges, LEVELS).round().astype(int))
        return [size_of(int(n), self.n_edges) for n in kept]
