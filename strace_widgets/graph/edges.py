"""The token-wise computation graph: which edges exist, how many, and `Edges`, which holds a value for each of them.

For T tokens, L layers and H query heads, a *sequential* block (attention, then MLP) has two nodes a token: ``(2l + 1,
t)``, the residual stream after the attention of layer l, and ``(2l + 2, t)``, after its MLP. Node ``(0, t)`` is the
embedding of token t. A *parallel* block (attention beside the MLP) has one node a token, ``(l + 1, t)``, entered by
one residual edge, the attention edges and the MLP edge together. The output node is the last token's after the last
layer: a trace explains the prediction after the last token.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
"""A numpy array; docstrings say its shape and type."""

NOT_IN_GRAPH = np.iinfo(np.int32).max
"""The rank of an edge that is not in the graph."""


class Edges(NamedTuple):
    """One value for every edge: weights (float32), ranks (int32) and masks (bool) all have this shape.

    Attributes
    ----------
    attention : (L, H, T, T) array
        As [layer, head, target, source]; in the graph where source <= target.
    attention_residual : (L, T) array
        The stream that passes by the attention of a layer.
    mlp : (L, T) array
        The MLP's output.
    mlp_residual : (L, T) array
        The stream that passes by the MLP of a layer.
    """

    attention: Array
    attention_residual: Array
    mlp: Array
    mlp_residual: Array

    @property
    def n_layers(self) -> int:
        """L."""
        return int(self.attention.shape[0])

    @property
    def n_heads(self) -> int:
        """H, the number of query heads."""
        return int(self.attention.shape[1])

    @property
    def n_tokens(self) -> int:
        """T."""
        return int(self.attention.shape[2])

    @property
    def n_kept(self) -> int:
        """How many edges a mask keeps."""
        return sum(int(np.count_nonzero(kind)) for kind in self)


class Graph(NamedTuple):
    """The shape of a prompt's computation graph on a model.

    Attributes
    ----------
    n_layers, n_heads, n_tokens : int
        L, H (query heads) and T.
    parallel : bool
        Whether attention and MLP of a layer enter one node together.
    """

    n_layers: int
    n_heads: int
    n_tokens: int
    parallel: bool = False

    @property
    def n_edges(self) -> int:
        """E, the number of edges from which the output node can be reached (docs/method.md).

        Sequential blocks: (L - 1)(H T(T+1)/2 + 3T) + H T + 3. Parallel blocks: (L - 1)(H T(T+1)/2 + 2T) + H T + 2.
        """
        triangle = self.n_tokens * (self.n_tokens + 1) // 2
        per_token = 2 if self.parallel else 3
        below = (self.n_layers - 1) * (self.n_heads * triangle + per_token * self.n_tokens)
        return below + self.n_heads * self.n_tokens + per_token

    def exists(self) -> Edges:
        """Return the mask of the edges from which the output node can be reached.

        In the last layer only the last token's nodes lead to the output. A parallel block has one residual edge a
        token, kept as the attention's.
        """
        causal = np.tril(np.ones((self.n_tokens, self.n_tokens), dtype=bool))
        shape = (self.n_layers, self.n_heads, self.n_tokens, self.n_tokens)
        attention = np.broadcast_to(causal, shape).copy()
        attention[-1, :, :-1] = False
        per_token = np.ones((self.n_layers, self.n_tokens), dtype=bool)
        per_token[-1, :-1] = False
        mlp_residual = np.zeros_like(per_token) if self.parallel else per_token.copy()
        return Edges(attention, per_token, per_token.copy(), mlp_residual)


def edges_kept(size: float, n_edges: int) -> int:
    """Return int(s E), the number of edges in the trace of relative size s.

    Parameters
    ----------
    size : float
        s, the share of edges kept.
    n_edges : int
        E.

    Raises
    ------
    ValueError
        When s is not in (0, 1].
    """
    if not (isinstance(size, (int, float, np.integer, np.floating)) and 0 < size <= 1):
        raise ValueError(
            f"A trace has a size s with 0 < s <= 1, the share of edges kept; {size!r} is not in that range."
        )
    return int(float(size) * n_edges)  # numpy's narrow numbers would round the product, or overflow


def size_of(kept: int, n_edges: int) -> float:
    """Return the relative size s for which int(s E) is exactly ``kept`` (plain division can fall one short).

    Parameters
    ----------
    kept : int
        In 0..E.
    n_edges : int
        E.
    """
    size = kept / n_edges
    return size if int(size * n_edges) == kept else math.nextafter(size, 1.0)
